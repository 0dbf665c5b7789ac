// SPDX-License-Identifier: MIT
// One of the load generator's connections: what it sends, and whether what comes is right. Nothing
// here waits.
#pragma once

#include <errno.h>
#include <sys/socket.h>

#include "load_modes.h"
#include "load_pattern.h"
#include "load_socket.h"
#include "load_stats.h"
#include "load_tls.h"
#include "load_ws.h"

#define BLOCK PATTERN_WINDOW
#define WINDOW \
    (UINT64_C(4) * BLOCK) // unanswered bytes of a bulk stream: fills both pipes, fits the cache
#define TURNS 16          // how often one connection goes round before the others have theirs

struct connection {
    int fd;
    bool awaits_end; // nothing may come any more but the peer's FIN
    bool is_held;    // of a burst: answered, and waiting for the others
    bool is_announced;
    uint32_t events; // what epoll watches, 0 before it knows the connection
    size_t seed;     // where in the table position 0 of this connection lies
    uint64_t sent, received;
    uint64_t send_goal, receive_goal;
    uint64_t started_usec; // of this operation
    uint64_t limit_usec;   // when it counts as timed out
    struct ws ws;          // where messages go through WebSocket
    struct tls tls;
};

static struct stats stats;
static uint64_t now_usec;

static inline const char *window_at(const struct connection *c, uint64_t position)
{
    return pattern_at(c->seed + position);
}

static inline bool may_send(const struct connection *c)
{
    if (option.opcode && !c->ws.is_open)
        return c->ws.n_requested < sizeof(ws_request) - 1;
    if (option.ca_file && !c->tls.is_open)
        return c->tls.wants_out;

    bool is_full = option.mode->stream && option.mode->receives && c->sent - c->received >= WINDOW;

    return c->sent < c->send_goal && !is_full;
}

// Sends of the handshake, or of a frame and its header. How many bytes of payload, or -1.
static inline ssize_t send_frame(struct connection *c, size_t want)
{
    static char payload[BLOCK];
    uint8_t header[WS_HEADER_MAX];
    struct ws *ws = &c->ws;
    uint64_t at = c->sent % option.size;
    ssize_t n;

    if (!ws->is_open) {
        n = send(c->fd, ws_request + ws->n_requested, sizeof(ws_request) - 1 - ws->n_requested,
                 MSG_NOSIGNAL);
        ws->n_requested += n > 0 ? (size_t)n : 0;
        return n < 0 ? -1 : 0;
    }

    size_t n_header = ws_put_header(header, option.opcode, option.size) - ws->n_header;
    struct iovec parts[] = {{header + ws->n_header, n_header}, {payload, want}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = ELEMENTS(parts)};

    if (want > option.size - at)
        parts[1].iov_len = option.size - at;
    ws_put_payload(payload, window_at(c, c->sent), parts[1].iov_len, at);
    n = sendmsg(c->fd, &message, MSG_NOSIGNAL);
    if (n < 0)
        return -1;
    if ((size_t)n < n_header) {
        ws->n_header += (size_t)n;
        return 0;
    }
    ws->n_header = at + (size_t)n - n_header == option.size ? 0 : ws->n_header + n_header;
    return n - (ssize_t)n_header;
}

// The header and what follows, which so short a text always finds room for. Bytes of the latter.
static inline ssize_t send_announced(struct connection *c, const char *data, size_t size)
{
    struct iovec parts[] = {{(void *)(uintptr_t)option.announced, option.n_announced},
                            {(void *)(uintptr_t)data, size}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = ELEMENTS(parts)};
    ssize_t n = sendmsg(c->fd, &message, MSG_NOSIGNAL);

    c->is_announced = n >= 0;
    return n < 0 ? -1 : n - (ssize_t)option.n_announced;
}

static inline ssize_t send_plainly(struct connection *c, const char *data, size_t size)
{
    if (option.announced && !c->is_announced)
        return send_announced(c, data, size);
    return option.ca_file ? tls_send(&c->tls, data, size) : send(c->fd, data, size, MSG_NOSIGNAL);
}

// Sends what the goal and the window allow and the kernel takes.
static inline int send_some(struct connection *c)
{
    for (int i = 0; i < TURNS && may_send(c); i++) {
        uint64_t left = c->send_goal - c->sent;
        size_t want = left < BLOCK ? (size_t)left : BLOCK;
        ssize_t n = option.opcode ? send_frame(c, want)
                                  : send_plainly(c, window_at(c, c->sent), want);

        if (n < 0)
            return errno == EAGAIN || errno == ENOTCONN ? 0 : -errno;
        c->sent += (uint64_t)n;
        if (!option.mode->receives)
            stats.n_bytes += (uint64_t)n;
        if (option.mode->stream)
            c->limit_usec = now_usec + option.limit_usec;
        if ((size_t)n < want)
            return 0;
    }
    return 0;
}

// Returns how many bytes came and were right, 0 at the peer's FIN, or an error; EBADMSG and
// EOVERFLOW stand for an answer that is wrong and one that is too long.
static inline ssize_t receive_some(struct connection *c)
{
    static char input[BLOCK];
    bool is_endless = !option.mode->sends && option.mode->next == NEXT_CLOSE;
    uint64_t left = c->receive_goal - c->received;
    size_t room = is_endless && left < BLOCK ? (size_t)left : BLOCK;
    ssize_t n = option.ca_file ? tls_receive(&c->tls, input, room) : recv(c->fd, input, room, 0);

    if (n <= 0)
        return n < 0 ? -errno : 0;
    if (socket_keeps_messages() && (uint64_t)n != option.size)
        return -EBADMSG;
    if (option.opcode)
        n = ws_take(&c->ws, input, (size_t)n, c->received, option.size);
    if (n <= 0)
        return n < 0 ? n : -EAGAIN;

    size_t expected = left < (uint64_t)n ? (size_t)left : (size_t)n;

    if (mode_knows_text() && memcmp(input, window_at(c, c->received), expected) != 0)
        return -EBADMSG;
    if (expected < (size_t)n)
        return -EOVERFLOW;
    c->received += expected;
    stats.n_bytes += expected;
    if (option.mode->stream)
        c->limit_usec = now_usec + option.limit_usec;
    return n;
}

// Nothing more comes from here: the peer may end, too.
static inline void end_writing(struct connection *c)
{
    uint8_t close_frame[WS_HEADER_MAX + sizeof(uint16_t)];
    size_t n = ws_put_header(close_frame, WS_CLOSE, sizeof(uint16_t));
    const char status[] = {0x03, (char)0xe8}; // 1000

    ws_put_payload((char *)close_frame + n, status, sizeof(status), 0);
    if (option.ca_file)
        tls_end(&c->tls);
    if (!option.opcode)
        (void)shutdown(c->fd, SHUT_WR); // where the peer was faster, recv() tells
    else
        (void)!send(c->fd, close_frame, n + sizeof(status), MSG_NOSIGNAL);
}
