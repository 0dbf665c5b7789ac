// SPDX-License-Identifier: MIT
// Writing. A short frame is built as a whole in `out`, header before payload, and leaves with one
// send. Of a long one only the header is there, and its payload goes from the caller's memory to
// what is below, so that nothing is copied. Nothing may come between: a frame is begun, and a pong
// passes, only when the one before is out.

#include "transport/websocket/ws_stream.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/base.h"
#include "transport/websocket/ws_stream_private.h"

static void build(struct ws_stream *stream, uint8_t opcode, bool last, const uint8_t *data,
                  size_t length)
{
    assert(stream->out_end == 0 && length <= WS_BUFFER_SIZE);
    stream->out_end = ws_header_write(last, opcode, length, stream->out);
    if (length > 0)
        memcpy(stream->out + stream->out_end, data, length);
    stream->out_end += length;
}

static bool build_control(struct ws_stream *stream, uint8_t opcode, struct ws_control *control)
{
    if (!control->is_due)
        return false;
    build(stream, opcode, true, control->payload, control->length);
    control->is_due = false;
    return true;
}

// The Close comes last.
static bool build_next(struct ws_stream *stream)
{
    if (stream->is_closed)
        return false;
    if (build_control(stream, WS_FRAME_PONG, &stream->pong) ||
        build_control(stream, WS_FRAME_PING, &stream->ping))
        return true;
    stream->is_closed = build_control(stream, WS_FRAME_CLOSE, &stream->close);
    return stream->is_closed;
}

int ws_stream_flush(struct ws_stream *stream, int flags)
{
    do {
        while (stream->out_begin < stream->out_end) {
            ssize_t r = stream->below.give(stream->below.cookie, stream->out + stream->out_begin,
                                           stream->out_end - stream->out_begin, flags);

            if (r < 0)
                return -1;
            stream->out_begin += (size_t)r;
        }
        stream->out_begin = stream->out_end = 0;
    } while (stream->n_owed == 0 && build_next(stream));
    return 0;
}

bool ws_stream_wants_to_send(const struct ws_stream *stream)
{
    return stream->out_begin < stream->out_end ||
           (!stream->is_closed && stream->n_owed == 0 &&
            (stream->pong.is_due || stream->ping.is_due || stream->close.is_due));
}

void ws_control_set(struct ws_control *control, const uint8_t *payload, size_t length)
{
    control->is_due = true;
    control->length = length;
    if (length > 0)
        memcpy(control->payload, payload, length);
}

void ws_stream_close(struct ws_stream *stream, const uint8_t *payload, size_t length)
{
    if (!ws_stream_is_closing(stream))
        ws_control_set(&stream->close, payload, length);
}

int ws_stream_end(struct ws_stream *stream, enum ws_code code, const char *reason, int flags)
{
    uint8_t payload[WS_CONTROL_MAX];

    ws_stream_close(stream, payload, ws_close_write(code, reason, payload));
    return ws_stream_flush(stream, flags);
}

// The type of a message that begins.
static enum ws_type choose_type(const struct ws_stream *stream)
{
    if (stream->options.type != WS_AUTO)
        return stream->options.type;
    return stream->last_received != WS_AUTO ? stream->last_received : stream->options.initial;
}

static bool is_text_good(struct ws_stream *stream, const uint8_t *data, size_t length, bool last)
{
    return stream->sending != WS_TEXT ||
           (utf8_take(&stream->sending_text, data, length) == length &&
            (!last || utf8_is_whole(&stream->sending_text)));
}

// Begins the next frame of a message. False: it would not be UTF-8.
static bool begin_frame(struct ws_stream *stream, const uint8_t *data, size_t length, bool last)
{
    uint8_t opcode = WS_FRAME_CONTINUATION;

    if (stream->sending == WS_AUTO) {
        stream->sending = choose_type(stream);
        stream->sending_text = (struct utf8){0};
        opcode = (uint8_t)stream->sending;
    }
    if (!is_text_good(stream, data, length, last))
        return false;
    if (length <= WS_BUFFER_SIZE) {
        build(stream, opcode, last, data, length);
    } else {
        stream->out_end = ws_header_write(last, opcode, length, stream->out);
        stream->n_owed = length;
    }
    if (last)
        stream->sending = WS_AUTO;
    return true;
}

static ssize_t give_payload(struct ws_stream *stream, const void *data, size_t size, int flags)
{
    ssize_t n;

    if (ws_stream_flush(stream, flags | MSG_MORE) < 0) // the header
        return -1;
    n = stream->below.give(stream->below.cookie, data,
                           size < stream->n_owed ? size : (size_t)stream->n_owed, flags);
    stream->n_owed -= n > 0 ? (uint64_t)n : 0;
    return n;
}

ssize_t ws_stream_give(struct ws_stream *stream, const void *data, size_t size, int flags,
                       bool last)
{
    if (stream->n_owed > 0)
        return give_payload(stream, data, size, flags);
    if (size == 0 && !last)
        return 0;
    if (!ws_stream_is_closing(stream) && ws_stream_flush(stream, flags) < 0)
        return -1;
    errno = ws_stream_is_closing(stream) ? EPIPE : EILSEQ;
    if (errno == EPIPE || !begin_frame(stream, data, size, last))
        return -1;
    if (stream->n_owed > 0)
        return give_payload(stream, data, size, flags);
    // It is taken, and goes on its way with the next call if it must wait.
    return ws_stream_flush(stream, flags) < 0 && errno != EAGAIN && errno != EINTR ? -1
                                                                                   : (ssize_t)size;
}

uint64_t ws_stream_wake_usec(const struct ws_stream *stream)
{
    uint64_t ping_usec = stream->options.ping_usec;

    if (ping_usec == 0 || ws_stream_is_closing(stream))
        return USEC_NEVER;
    return (stream->pinged_usec ? stream->pinged_usec : stream->heard_usec) + ping_usec;
}

int ws_stream_wake(struct ws_stream *stream, uint64_t now_usec, int flags)
{
    if (now_usec < ws_stream_wake_usec(stream))
        return 0;
    if (stream->pinged_usec) {
        errno = ETIMEDOUT;
        return -1;
    }
    stream->pinged_usec = now_usec;
    ws_control_set(&stream->ping, NULL, 0);
    return ws_stream_flush(stream, flags) < 0 && errno != EAGAIN ? -1 : 0;
}
