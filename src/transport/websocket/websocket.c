// SPDX-License-Identifier: MIT
// The stage of websocket.so: the request and its answer, then messages (ws_stream.h), which a
// service has as they are, or a program as lines or pieces.

#include "transport/websocket/websocket_private.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/base.h"

static struct websocket ws;

static struct ws_rules rules_of(const struct websocket_settings *settings)
{
    return (struct ws_rules){.policy = {.origins = settings->origins.items,
                                        .n_origins = settings->origins.n,
                                        .hosts = settings->hosts.items,
                                        .n_hosts = settings->hosts.n,
                                        .path = settings->path,
                                        .is_tls = settings->is_tls,
                                        .is_proxied = settings->is_proxied,
                                        .is_local = settings->is_local},
                             .protocols = settings->protocols.items,
                             .n_protocols = settings->protocols.n,
                             .has_page = settings->has_page};
}

static void start(struct stage *stage)
{
    ws.settings = (const struct websocket_settings *)stage; // its first member
    ws.rules = rules_of(ws.settings);
    ws.stream = NULL;
    ws.phase = PHASE_REQUEST;
    ws.request = (struct http_request){0};
    ws.n_head = ws.n_piece = ws.n_given = ws.n_tail = 0;
    ws.in = (struct ws_line){0};
    ws.owes_newline = ws.is_message = false;
    ws.wrong[0] = '\0';
    ws.facts.entries[0] = NULL;
    ws.out[0] = ws.out[1] = (struct http_text){0};
}

static int begin(struct stage *stage, int flags)
{
    (void)stage;
    return websocket_begin(&ws, flags);
}

// --- Messages ---

// Nothing came: a ping may be due, or its answer.
static ssize_t look_after_peer(int flags)
{
    if (base_now_usec() >= ws_stream_wake_usec(ws.stream) &&
        ws_stream_wake(ws.stream, base_now_usec(), flags) < 0)
        return -1; // ETIMEDOUT: the peer is lost
    errno = EAGAIN;
    return -1;
}

static void blame(void)
{
    enum ws_code code = ws_stream_fault(ws.stream);

    (void)snprintf(ws.wrong, sizeof(ws.wrong), "%d, %s", (int)code,
                   code == WS_BAD_TEXT  ? "its text is not UTF-8"
                   : code == WS_TOO_BIG ? "its message is longer than ws_message_max"
                                        : "it breaks RFC 6455");
}

static ssize_t take_message(struct stage *stage, void *data, size_t size, int flags, bool *ret_last)
{
    ssize_t n = ws_stream_take(ws.stream, data, size, flags, ret_last);

    (void)stage;
    if (n < 0 && errno == EPROTO)
        blame();
    return n < 0 && errno == EAGAIN ? look_after_peer(flags) : n;
}

static ssize_t take_line(struct stage *stage, void *data, size_t size, int flags, bool *ret_last)
{
    bool is_end;
    ssize_t n;

    *ret_last = false;
    if (ws.owes_newline) {
        ws.owes_newline = false;
        *(char *)data = '\n';
        return 1;
    }
    n = take_message(stage, data, size, flags, &is_end);
    if (n > 0 || (n == 0 && is_end))
        ws.owes_newline = ws_line_take(&ws.in, data, (size_t)n, is_end);
    *ret_last = n == 0 && is_end; // and a newline follows
    return n;
}

static ssize_t take_piece(struct stage *stage, void *data, size_t size, int flags, bool *ret_last)
{
    ssize_t n = take_message(stage, data, size, flags, ret_last);

    *ret_last = n == 0 && *ret_last;
    return n;
}

// As ws_stream_give(), whose errors are those of a stage.
static ssize_t give_to(const void *data, size_t size, int flags, bool is_last)
{
    ssize_t n = ws_stream_give(ws.stream, data, size, flags, is_last);

    if (n >= 0)
        return n;
    if (errno == EPIPE && ws_stream_peer_code(ws.stream) != 0)
        errno = ESHUTDOWN;
    if (errno == EILSEQ)
        (void)snprintf(ws.wrong, sizeof(ws.wrong),
                       "what it sends as text is not UTF-8; see ws_messages");
    return -1;
}

static ssize_t give_message(struct stage *stage, const void *data, size_t size, int flags,
                            bool is_last)
{
    (void)stage;
    return give_to(data, size, flags, is_last);
}

// Gives the rest of the piece, if it is a message; then the next one begins.
static int give_piece(int flags)
{
    while (ws.is_message) {
        ssize_t n = give_to(ws.piece + ws.n_given, ws.n_piece - ws.n_given, flags, true);

        if (n < 0)
            return -1;
        ws.n_given += (size_t)n;
        if (ws.n_given < ws.n_piece)
            continue;
        memcpy(ws.piece, ws.tail, ws.n_tail);
        ws.n_piece = ws.n_tail;
        ws.n_given = ws.n_tail = 0;
        ws.is_message = false;
    }
    return 0;
}

// After a failure: what was taken waits, and is flushed, unless nothing more goes out at all.
static ssize_t taken(size_t n)
{
    return n > 0 && (errno == EAGAIN || errno == EINTR) ? (ssize_t)n : -1;
}

static bool add(const uint8_t *data, size_t size)
{
    if (size > ROOM - ws.n_piece) {
        (void)snprintf(ws.wrong, sizeof(ws.wrong), "a line is longer than 64 KiB; see ws_messages");
        errno = EILSEQ;
        return false;
    }
    memcpy(ws.piece + ws.n_piece, data, size);
    ws.n_piece += size;
    return true;
}

static void end_line(void)
{
    if (ws.n_piece > 0 && ws.piece[ws.n_piece - 1] == '\r')
        ws.n_piece--;
    ws.is_message = true;
}

static ssize_t give_lines(struct stage *stage, const void *data, size_t size, int flags,
                          bool is_last)
{
    const uint8_t *bytes = data;
    size_t done = 0;

    (void)stage;
    (void)is_last;
    while (give_piece(flags) == 0) {
        const uint8_t *end = memchr(bytes + done, '\n', size - done);
        size_t n = end ? (size_t)(end - bytes) - done : size - done;

        if (!add(bytes + done, n))
            return -1;
        done += n + (end ? 1 : 0);
        if (!end)
            return (ssize_t)size;
        end_line();
    }
    return taken(done);
}

static ssize_t give_text(struct stage *stage, const void *data, size_t size, int flags,
                         bool is_last)
{
    size_t whole;

    (void)stage;
    (void)is_last;
    if (give_piece(flags) < 0)
        return -1;
    size = size < ROOM - ws.n_piece ? size : ROOM - ws.n_piece;
    (void)add(data, size);
    whole = ws_text_length(ws.piece, ws.n_piece, false);
    if (whole == 0)
        return (ssize_t)size;
    ws.n_tail = ws.n_piece - whole;
    memcpy(ws.tail, ws.piece + whole, ws.n_tail);
    ws.n_piece = whole;
    ws.is_message = true;
    return give_piece(flags) == 0 ? (ssize_t)size : taken(size);
}

static int flush(struct stage *stage, int flags)
{
    (void)stage;
    if (ws.phase != PHASE_MESSAGES)
        return 0;
    return give_piece(flags) < 0 ? -1 : ws_stream_flush(ws.stream, flags);
}

// --- The end ---

static const struct {
    enum ws_code code;
    const char *reason;
} codes[] = {
    [STAGE_DONE] = {WS_OK, ""},
    [STAGE_STOPPED] = {WS_GOING_AWAY, "the service stops"},
    [STAGE_LATE] = {WS_GOING_AWAY, "timeout"},
    [STAGE_BROKEN] = {WS_PROTOCOL_ERROR, ""},
    [STAGE_FAILED] = {WS_INTERNAL_ERROR, ""},
};

static int end(struct stage *stage, enum stage_ending ending, int flags)
{
    (void)stage;
    if (ws.phase == PHASE_REQUEST && ending == STAGE_LATE)
        websocket_give_up(&ws);
    if (ws.phase != PHASE_MESSAGES)
        return 0;
    if ((ending == STAGE_DONE || ending == STAGE_FAILED) && !ws.is_message && ws.n_piece > 0 &&
        ws.wrong[0] == '\0')
        ws.is_message = true; // the last line has no end
    if (give_piece(flags) < 0 &&
        (errno == EAGAIN || errno == EINTR || (errno == EILSEQ && ending == STAGE_DONE)))
        return -1;
    return ws_stream_end(ws.stream, codes[ending].code, codes[ending].reason, flags);
}

static bool has_more(const struct stage *stage)
{
    (void)stage;
    return ws.owes_newline || (ws.stream && ws_stream_has_more(ws.stream));
}

static short wants(const struct stage *stage, short events)
{
    (void)stage;
    return ws.is_message || (ws.stream && ws_stream_wants_to_send(ws.stream))
               ? (short)(events | POLLOUT)
               : events;
}

static uint64_t wake_usec(const struct stage *stage)
{
    (void)stage;
    return ws.stream ? ws_stream_wake_usec(ws.stream) : USEC_NEVER;
}

static const char *const *facts(const struct stage *stage)
{
    (void)stage;
    return ws.facts.entries;
}

static const char *wrong(const struct stage *stage)
{
    (void)stage;
    return ws.wrong[0] != '\0' ? ws.wrong : NULL;
}

#define OPS(take_, give_)                                                                 \
    .name = "websocket", .open = start, .begin = begin, .take = (take_), .give = (give_), \
    .flush = flush, .end = end, .has_more = has_more, .wants = wants, .wrong = wrong,     \
    .facts = facts, .wake_usec = wake_usec

static const struct stage_ops ops[] = {
    [WEBSOCKET_AUTO] = {OPS(take_message, give_message), .has_messages = true},
    [WEBSOCKET_LINE] = {OPS(take_line, give_lines)},
    [WEBSOCKET_TEXT] = {OPS(take_piece, give_text)},
    [WEBSOCKET_BINARY] = {OPS(take_piece, give_message)},
};

static struct stage *make(struct websocket_settings *settings, struct stage_end below)
{
    settings->stage = (struct stage){.ops = &ops[settings->messages], .below = below};
    return &settings->stage;
}

const struct websocket_face tcpd_websocket
    __attribute__((visibility("default"))) = {.version = TCPD_VERSION, .make = make};
