// SPDX-License-Identifier: MIT
// What reading and writing share.
#pragma once

#include "transport/websocket/utf8.h"
#include "transport/websocket/ws_frame.h"
#include "transport/websocket/ws_stream.h"

struct ws_control {
    bool is_due;
    size_t length;
    uint8_t payload[WS_CONTROL_MAX];
};

struct ws_frame { // of the peer, being read; open while some of its payload is to come
    struct ws_header header;
    uint64_t n_left;
};

struct ws_stream {
    struct stage_end below;
    struct ws_options options;
    int flags; // of the call in hand

    enum ws_code peer_code, fault;

    struct ws_frame frame;
    enum ws_type message;       // that is being received; WS_AUTO: none
    enum ws_type last_received; // ... WS_AUTO: no message yet
    uint64_t n_message;         // what has come of it
    struct utf8 text;           // of a text; each ends whole
    struct ws_control control;  // of the peer, being read
    bool is_dry;                // what is in `in` is of no use without more from below
    bool may_take;              // it may ask below
    bool is_ended;              // below said so
    int below_errno;
    uint64_t heard_usec;  // when something came
    uint64_t pinged_usec; // when it was pinged since, or 0

    enum ws_type sending; // message of ours that has begun; WS_AUTO: none
    struct utf8 sending_text;
    uint64_t n_owed; // payload that a header has promised, and that is still to be given
    struct ws_control pong, ping, close; // to be sent
    bool is_closed;                      // our Close is in `out`, or sent: nothing follows
    uint8_t *room;                       // where the payload of a long frame may go at once
    size_t n_room, n_direct;             // how much may, and how much has
    size_t in_begin, in_end, out_begin, out_end;
    uint8_t in[WS_BUFFER_SIZE], out[WS_HEADER_MAX + WS_BUFFER_SIZE];
};

// A frame that is to be sent as soon as the one in hand is out; a newer one takes its place.
void ws_control_set(struct ws_control *control, const uint8_t *payload, size_t length);

// Decides for a Close, which is sent as soon as possible; the first one counts.
void ws_stream_close(struct ws_stream *stream, const uint8_t *payload, size_t length);

static inline bool ws_stream_is_closing(const struct ws_stream *stream)
{
    return stream->is_closed || stream->close.is_due;
}
