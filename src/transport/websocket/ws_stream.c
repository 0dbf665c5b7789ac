// SPDX-License-Identifier: MIT
// Reading. Each frame is judged by its header, as soon as that is there; payload is unmasked on its
// way from `in` to the caller, and that of a long frame in the caller's memory. What has been found
// wrong comes after everything that was right before it, so that the way in which the bytes were
// cut is not seen above.

#include "transport/websocket/ws_stream.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/base.h"
#include "transport/websocket/ws_stream_private.h"

// How much of the frame in hand may come where the caller has it: 0, or more than `in` holds.
static size_t direct_size(const struct ws_stream *stream)
{
    size_t most = stream->frame.n_left < stream->n_room ? (size_t)stream->frame.n_left
                                                        : stream->n_room;

    return stream->in_begin < stream->in_end || most < sizeof(stream->in) ? 0 : most;
}

// Reads payload of a long frame, or ahead, behind a header of which only a part is there. False:
// there is nothing, or what is below may not be asked.
static bool fill(struct ws_stream *stream)
{
    size_t n = stream->in_end - stream->in_begin, direct = direct_size(stream);
    ssize_t r;

    stream->is_dry = true;
    if (!stream->may_take)
        return false;
    memmove(stream->in, stream->in + stream->in_begin, n);
    stream->in_begin = 0;
    stream->in_end = n;
    r = stream->below.take(stream->below.cookie, direct > 0 ? stream->room : stream->in + n,
                           direct > 0 ? direct : sizeof(stream->in) - n, stream->flags);
    stream->is_ended = r == 0;
    stream->below_errno = r < 0 ? errno : 0;
    if (r <= 0)
        return false;
    stream->is_dry = false;
    if (direct > 0)
        stream->n_direct = (size_t)r;
    else
        stream->in_end += (size_t)r;
    stream->heard_usec = base_now_usec();
    stream->pinged_usec = 0;
    return true;
}

void ws_stream_start(struct ws_stream *stream, struct stage_end below,
                     const struct ws_options *options, const void *early, size_t n_early)
{
    assert(n_early <= sizeof(stream->in));
    memset(stream, 0, offsetof(struct ws_stream, in)); // and no page of the buffers
    stream->below = below;
    stream->options = *options;
    stream->heard_usec = base_now_usec();
    if (n_early > 0)
        memcpy(stream->in, early, n_early);
    stream->in_end = n_early;
}

static void refuse(struct ws_stream *stream, enum ws_code code)
{
    stream->fault = code;
}

static bool is_begin(uint8_t opcode)
{
    return opcode == WS_FRAME_TEXT || opcode == WS_FRAME_BINARY;
}

static bool is_in_order(const struct ws_stream *stream, uint8_t opcode)
{
    if (ws_is_control(opcode))
        return opcode <= WS_FRAME_PONG;
    return stream->message == WS_AUTO ? is_begin(opcode) : opcode == WS_FRAME_CONTINUATION;
}

// What a frame adds to its message.
static uint64_t cost(const struct ws_header *header)
{
    return header->length == 0 && !header->is_last ? WS_EMPTY_COST : header->length;
}

static void begin_data(struct ws_stream *stream, const struct ws_header *header)
{
    if (is_begin(header->opcode)) {
        stream->message = stream->last_received = (enum ws_type)header->opcode;
        stream->n_message = 0;
    }
    if (cost(header) > stream->options.message_max - stream->n_message)
        refuse(stream, WS_TOO_BIG);
    else
        stream->n_message += cost(header);
}

static void begin_frame(struct ws_stream *stream, const struct ws_header *header)
{
    stream->in_begin += header->size;
    stream->frame = (struct ws_frame){.header = *header, .n_left = header->length};
    stream->control.length = 0;
    if (header->reserved || !header->is_masked || !is_in_order(stream, header->opcode))
        refuse(stream, WS_PROTOCOL_ERROR);
    else if (!ws_is_control(header->opcode))
        begin_data(stream, header);
}

// Moves payload of the frame out of `in`, unless it is where it should be, without its mask;
// returns how much.
static size_t take_payload(struct ws_stream *stream, uint8_t *data, size_t size)
{
    struct ws_frame *frame = &stream->frame;
    bool is_direct = stream->n_direct > 0;
    size_t n = is_direct ? stream->n_direct : stream->in_end - stream->in_begin;

    n = n < size ? n : size;
    n = n < frame->n_left ? n : (size_t)frame->n_left;
    ws_unmask(data, is_direct ? data : stream->in + stream->in_begin, n, frame->header.mask,
              frame->header.length - frame->n_left);
    stream->in_begin += is_direct ? 0 : n;
    stream->n_direct = 0;
    frame->n_left -= n;
    return n;
}

// After a Close nothing is read any more.
static void on_close(struct ws_stream *stream, const struct ws_control *control)
{
    int code = ws_close_read(control->payload, control->length);

    if (code < 0) {
        refuse(stream, (enum ws_code) - code);
        return;
    }
    stream->peer_code = (enum ws_code)code;
    ws_stream_close(stream, control->payload, control->length < 2 ? 0 : 2);
}

static void take_control(struct ws_stream *stream)
{
    struct ws_control *control = &stream->control;

    control->length += take_payload(stream, control->payload + control->length,
                                    sizeof(control->payload) - control->length);
    if (stream->frame.n_left > 0)
        return;
    if (stream->frame.header.opcode == WS_FRAME_PING)
        ws_control_set(&stream->pong, control->payload, control->length);
    else if (stream->frame.header.opcode == WS_FRAME_CLOSE)
        on_close(stream, control);
}

static bool is_in_control(const struct ws_stream *stream)
{
    return ws_is_control(stream->frame.header.opcode);
}

// Reads the header of the next frame, and of a control frame what is there. False: as fill().
static bool next_frame(struct ws_stream *stream)
{
    struct ws_header header;
    int r = ws_header_read(stream->in + stream->in_begin, stream->in_end - stream->in_begin,
                           &header);

    if (r == 0)
        return fill(stream);
    if (r < 0)
        refuse(stream, WS_PROTOCOL_ERROR);
    else
        begin_frame(stream, &header);
    if (!stream->fault && is_in_control(stream))
        take_control(stream);
    return true;
}

// Goes on with the frame in hand, of which nothing is there, or with the next. False: as fill().
static bool step(struct ws_stream *stream)
{
    if (stream->frame.n_left == 0)
        return next_frame(stream);
    if (!fill(stream))
        return false;
    if (is_in_control(stream))
        take_control(stream);
    return true;
}

static bool has_payload(const struct ws_stream *stream)
{
    return !is_in_control(stream) && stream->frame.n_left > 0 &&
           (stream->in_begin < stream->in_end || stream->n_direct > 0);
}

// Whether the data frame in hand has nothing more to give, and its message neither.
static bool is_message_over(const struct ws_stream *stream)
{
    return stream->message != WS_AUTO && !is_in_control(stream) && stream->frame.header.is_last &&
           stream->frame.n_left == 0;
}

// Takes payload that is there; a text that breaks is refused behind what was good.
static size_t take_data(struct ws_stream *stream, uint8_t *data, size_t size)
{
    size_t n = take_payload(stream, data, size);
    size_t good = stream->message == WS_TEXT ? utf8_take(&stream->text, data, n) : n;

    if (good < n || (is_message_over(stream) && !utf8_is_whole(&stream->text)))
        refuse(stream, WS_BAD_TEXT);
    return good;
}

static bool is_within(const struct ws_stream *stream)
{
    return stream->message != WS_AUTO || stream->frame.n_left > 0 ||
           stream->in_begin < stream->in_end;
}

// Says what take() says when there are no bytes.
static ssize_t say_nothing(struct ws_stream *stream)
{
    if (!stream->is_ended) {
        errno = stream->below_errno;
        return -1;
    }
    if (stream->peer_code == 0)
        stream->peer_code = WS_NO_CLOSE;
    errno = ECONNRESET;
    return is_within(stream) ? -1 : 0;
}

static ssize_t say_fault(struct ws_stream *stream)
{
    uint8_t payload[WS_CONTROL_MAX];

    ws_stream_close(stream, payload, ws_close_write(stream->fault, "", payload));
    (void)ws_stream_flush(stream, stream->flags); // the fault is what matters
    errno = EPROTO;
    return -1;
}

// Sends what came up meanwhile. Who does not wait for the peer reads on; and a peer that has sent
// its Close may be gone before ours.
static int answer(struct ws_stream *stream)
{
    if (!ws_stream_wants_to_send(stream) || ws_stream_flush(stream, stream->flags) == 0)
        return 0;
    return stream->peer_code || (errno == EAGAIN && (stream->flags & MSG_DONTWAIT)) ? 0 : -1;
}

// Whether there are bytes, a border, a fault or an end to tell of.
static bool is_telling(const struct ws_stream *stream)
{
    return has_payload(stream) || is_message_over(stream) || stream->fault ||
           (stream->peer_code && stream->peer_code != WS_NO_CLOSE);
}

// Goes on until there is something to tell. 0, or -1 and errno; 1: what is below has nothing.
static int advance(struct ws_stream *stream)
{
    for (;;) {
        if (answer(stream) < 0)
            return -1;
        if (is_telling(stream))
            return 0;
        if (!step(stream))
            return 1;
    }
}

ssize_t ws_stream_take(struct ws_stream *stream, void *data, size_t size, int flags, bool *ret_last)
{
    size_t n = 0;
    int r = 0;

    assert(size > 0);
    *ret_last = false;
    stream->flags = flags;
    while (!*ret_last && n < size) {
        stream->room = (uint8_t *)data + n;
        stream->n_room = size - n;
        stream->may_take = n == 0 || direct_size(stream) > 0;
        stream->flags |= n == 0 ? 0 : MSG_DONTWAIT;
        r = advance(stream);
        if (r != 0 || stream->fault || (!has_payload(stream) && !is_message_over(stream)))
            break;
        n += take_data(stream, (uint8_t *)data + n, size - n);
        *ret_last = is_message_over(stream) && !stream->fault;
    }
    if (*ret_last)
        stream->message = WS_AUTO;
    if (n > 0 || *ret_last)
        return (ssize_t)n;
    if (r != 0)
        return r < 0 ? -1 : say_nothing(stream);
    return stream->fault ? say_fault(stream) : 0;
}

bool ws_stream_has_more(const struct ws_stream *stream)
{
    return is_telling(stream) || (stream->in_begin < stream->in_end && !stream->is_dry);
}

enum ws_code ws_stream_peer_code(const struct ws_stream *stream)
{
    return stream->peer_code;
}

enum ws_code ws_stream_fault(const struct ws_stream *stream)
{
    return stream->fault;
}
