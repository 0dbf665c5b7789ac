// SPDX-License-Identifier: MIT
// Reading. libwslay takes the header apart, checks that lengths are minimal and below 2^63 and that
// control frames are whole and short, and unmasks. Reserved bits, opcodes, masks, and the order of
// fragments are checked here, once for each frame, with its first byte of payload (libwslay tells
// of it no earlier). What has been found wrong comes after everything that was right before it, so
// that the way in which the bytes were cut is not seen above.

#include "transport/websocket/ws_stream.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <wslay/wslay.h>

#include "base/base.h"
#include "transport/websocket/ws_stream_private.h"

// Reads ahead. > 0, or what take() shall say.
static ssize_t fill(struct ws_stream *stream)
{
    ssize_t r = stream->below.take(stream->below.cookie, stream->in, sizeof(stream->in),
                                   stream->flags);

    if (r > 0) {
        stream->in_begin = 0;
        stream->in_end = (size_t)r;
        stream->heard_usec = base_now_usec();
        stream->pinged_usec = 0;
    }
    stream->is_ended = r == 0;
    stream->below_errno = r < 0 ? errno : 0;
    return r;
}

static ssize_t feed(uint8_t *data, size_t size, int flags, void *cookie)
{
    struct ws_stream *stream = cookie;
    size_t n;

    (void)flags; // none are defined
    if (stream->in_begin == stream->in_end && (!stream->may_take || fill(stream) <= 0)) {
        stream->is_dry = true;
        return -1;
    }
    n = stream->in_end - stream->in_begin;
    n = n < size ? n : size;
    memcpy(data, stream->in + stream->in_begin, n);
    stream->in_begin += n;
    stream->n_inside += n;
    return (ssize_t)n;
}

struct ws_stream *ws_stream_new(const struct ws_below *below, const struct ws_options *options,
                                const void *early, size_t n_early)
{
    static const struct wslay_frame_callbacks callbacks = {.recv_callback = feed,
                                                           .send_callback = ws_stream_put};
    struct ws_stream *stream = malloc(sizeof(*stream));

    assert(n_early <= sizeof(stream->in));
    if (!stream)
        return NULL;
    memset(stream, 0, offsetof(struct ws_stream, in)); // and no page of the buffers
    stream->below = *below;
    stream->options = *options;
    stream->heard_usec = base_now_usec();
    if (n_early > 0)
        memcpy(stream->in, early, n_early);
    stream->in_end = n_early;
    if (wslay_frame_context_init(&stream->frames, &callbacks, stream) == 0)
        return stream;
    free(stream);
    return NULL;
}

void ws_stream_free(struct ws_stream *stream)
{
    if (stream)
        wslay_frame_context_free(stream->frames);
    free(stream);
}

static void refuse(struct ws_stream *stream, enum ws_code code)
{
    stream->fault = code;
    stream->n_chunk = 0;
}

static bool is_control(uint8_t opcode)
{
    return wslay_is_ctrl_frame(opcode);
}

static bool is_begin(uint8_t opcode)
{
    return opcode == WSLAY_TEXT_FRAME || opcode == WSLAY_BINARY_FRAME;
}

static bool is_in_order(const struct ws_stream *stream, uint8_t opcode)
{
    if (is_control(opcode))
        return opcode <= WSLAY_PONG;
    return stream->message == WS_AUTO ? is_begin(opcode) : opcode == WSLAY_CONTINUATION_FRAME;
}

// What a frame adds to its message.
static uint64_t cost(const struct wslay_frame_iocb *frame)
{
    return frame->payload_length == 0 && !frame->fin ? WS_EMPTY_COST : frame->payload_length;
}

static void begin_message(struct ws_stream *stream, enum ws_type type)
{
    stream->message = stream->last_received = type;
    stream->n_message = 0;
}

static void begin_data(struct ws_stream *stream, const struct wslay_frame_iocb *frame)
{
    if (is_begin(frame->opcode))
        begin_message(stream, (enum ws_type)frame->opcode);
    if (cost(frame) > stream->options.message_max - stream->n_message)
        refuse(stream, WS_TOO_BIG);
    else
        stream->n_message += cost(frame);
}

static size_t header_length(const struct wslay_frame_iocb *frame)
{
    size_t extended = frame->payload_length < 126 ? 0 : frame->payload_length < 65536 ? 2 : 8;

    return 2 + extended + (frame->mask ? 4 : 0);
}

static void begin_frame(struct ws_stream *stream, const struct wslay_frame_iocb *frame)
{
    stream->n_inside -= header_length(frame);
    stream->frame = (struct ws_frame){.is_open = true,
                                      .is_last = frame->fin,
                                      .opcode = frame->opcode,
                                      .n_left = frame->payload_length};
    stream->control.length = 0;
    if (frame->rsv || !frame->mask || !is_in_order(stream, frame->opcode))
        refuse(stream, WS_PROTOCOL_ERROR);
    else if (!is_control(frame->opcode))
        begin_data(stream, frame);
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

static void take_control(struct ws_stream *stream, const struct wslay_frame_iocb *frame)
{
    struct ws_control *control = &stream->control;

    assert(control->length + frame->data_length <= sizeof(control->payload)); // libwslay saw to it
    if (frame->data_length > 0)
        memcpy(control->payload + control->length, frame->data, frame->data_length);
    control->length += frame->data_length;
    if (stream->frame.is_open)
        return;
    if (stream->frame.opcode == WSLAY_PING)
        ws_control_set(&stream->pong, control->payload, control->length);
    else if (stream->frame.opcode == WSLAY_CONNECTION_CLOSE)
        on_close(stream, control);
}

static void take_frame(struct ws_stream *stream, const struct wslay_frame_iocb *frame)
{
    if (!stream->frame.is_open)
        begin_frame(stream, frame);
    stream->n_inside -= frame->data_length;
    if (stream->fault)
        return;
    stream->frame.n_left -= frame->data_length;
    stream->frame.is_open = stream->frame.n_left > 0;
    if (is_control(stream->frame.opcode)) {
        take_control(stream, frame);
        return;
    }
    stream->chunk = frame->data;
    stream->n_chunk = frame->data_length;
}

// Lets libwslay go on, which asks below at most once. False: that has nothing, or may not be asked.
static bool next_frame(struct ws_stream *stream)
{
    struct wslay_frame_iocb frame = {0};
    ssize_t r;

    stream->is_dry = false;
    r = wslay_frame_recv(stream->frames, &frame);
    if (r >= 0)
        take_frame(stream, &frame);
    else if (r != WSLAY_ERR_WANT_READ)
        refuse(stream, WS_PROTOCOL_ERROR);
    return !stream->is_dry;
}

// Whether the data frame in hand has nothing more to give, and its message neither.
static bool is_message_over(const struct ws_stream *stream)
{
    return stream->message != WS_AUTO && !stream->frame.is_open && stream->n_chunk == 0 &&
           stream->frame.is_last && !is_control(stream->frame.opcode);
}

// Copies what may be handed out of the chunk; a text that breaks is refused behind it.
static size_t copy_chunk(struct ws_stream *stream, uint8_t *data, size_t size)
{
    size_t n = stream->n_chunk < size ? stream->n_chunk : size;
    size_t good = stream->message == WS_TEXT ? utf8_take(&stream->text, stream->chunk, n) : n;

    if (good > 0)
        memcpy(data, stream->chunk, good);
    stream->chunk += good;
    stream->n_chunk -= good;
    if (good < n || (is_message_over(stream) && !utf8_is_whole(&stream->text)))
        refuse(stream, WS_BAD_TEXT);
    return good;
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
    return stream->message != WS_AUTO || stream->frame.is_open || stream->n_inside > 0 ? -1 : 0;
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
    return stream->n_chunk > 0 || is_message_over(stream) || stream->fault ||
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
        if (!next_frame(stream))
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
    stream->may_take = true;
    while (!*ret_last && n < size && (r = advance(stream)) == 0) {
        if (stream->fault || (stream->n_chunk == 0 && !is_message_over(stream)))
            break;
        n += copy_chunk(stream, (uint8_t *)data + n, size - n);
        *ret_last = is_message_over(stream) && !stream->fault;
        stream->may_take = n == 0;
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
    return is_telling(stream) || stream->in_begin < stream->in_end ||
           (stream->n_inside > 0 && !stream->is_dry);
}

enum ws_code ws_stream_peer_code(const struct ws_stream *stream)
{
    return stream->peer_code;
}

enum ws_code ws_stream_fault(const struct ws_stream *stream)
{
    return stream->fault;
}
