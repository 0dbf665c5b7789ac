// SPDX-License-Identifier: MIT
// A peer in memory, below a ws_stream: what it sends comes in chops, with EAGAIN between them, and
// what it is sent is taken in chops as well.
#pragma once

#include <errno.h>
#include <sys/socket.h>

#include "ws_memory.h"
#include "ws_words.h"

struct ws_peer {
    struct ws_bytes sends, got;
    size_t at;          // how much of `sends` has been taken
    size_t chop;        // bytes at most in one piece; 0: what there is
    const size_t *ends; // or up to the next of these (n_ends of them)
    size_t n_ends;
    bool is_behind_end; // says 0 after all, not EAGAIN
    bool is_late;       // the next answer is EAGAIN (not in the first, and only with a chop)
    size_t room;        // bytes that it takes at most in one piece; 0: all
    bool is_full;       // the next answer to a send is EAGAIN
    bool is_stuck;      // each is
    int error;          // ... or this error; 0: EAGAIN
    unsigned n_takes, n_gives;
};

static inline ssize_t peer_take(void *cookie, void *data, size_t size, int flags)
{
    struct ws_peer *peer = cookie;
    size_t n = peer->sends.length - peer->at;

    (void)flags;
    peer->n_takes++;
    if (n == 0 && peer->is_behind_end)
        return 0;
    peer->is_late = (peer->chop || peer->ends) && !peer->is_late;
    if (n == 0 || peer->is_late) {
        errno = EAGAIN;
        return -1;
    }
    for (size_t i = peer->n_ends; i-- > 0;)
        if (peer->ends[i] > peer->at)
            n = peer->ends[i] - peer->at;
    n = peer->chop && n > peer->chop ? peer->chop : n;
    n = n < size ? n : size;
    memcpy(data, peer->sends.data + peer->at, n);
    peer->at += n;
    return (ssize_t)n;
}

static inline ssize_t peer_give(void *cookie, const void *data, size_t size, int flags)
{
    struct ws_peer *peer = cookie;

    (void)flags;
    peer->n_gives++;
    peer->is_full = peer->room && !peer->is_full;
    if (peer->is_full || peer->is_stuck) {
        errno = peer->error ? peer->error : EAGAIN;
        return -1;
    }
    size = peer->room && size > peer->room ? peer->room : size;
    bytes_add(&peer->got, data, size);
    return (ssize_t)size;
}

static inline struct ws_stream *peer_stream(struct ws_peer *peer, const struct ws_options *options)
{
    const struct stage_end below = {.take = peer_take, .give = peer_give, .cookie = peer};

    return ws_stream_new(&below, options, NULL, 0);
}

static inline void peer_done(struct ws_peer *peer)
{
    bytes_free(&peer->sends);
    bytes_free(&peer->got);
}

static inline bool is_to_be_repeated(int error)
{
    return error == EAGAIN || error == EINTR;
}

static inline int give_all(struct ws_stream *stream, const uint8_t *data, size_t n, bool last)
{
    for (;;) {
        ssize_t r = ws_stream_give(stream, data, n, MSG_DONTWAIT, last);

        if (r < 0 && !is_to_be_repeated(errno))
            return -1;
        if (r >= 0 && (size_t)r == n)
            return 0;
        data += r > 0 ? r : 0;
        n -= r > 0 ? (size_t)r : 0;
    }
}

// Echoes, with `size` bytes of buffer, until the peer has nothing more or it has ended. Returns 0,
// or the errno of take().
static inline int peer_echo(struct ws_peer *peer, struct ws_stream *stream, size_t size)
{
    static uint8_t buffer[4 * WS_BUFFER_SIZE];
    bool is_cut_off = false;
    int error = 0;

    while (!error) {
        bool last;
        ssize_t n = ws_stream_take(stream, buffer, size, MSG_DONTWAIT, &last);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN && (peer->at < peer->sends.length || peer->is_behind_end))
            continue;
        if (n < 0)
            error = errno;
        else if (n == 0 && !last)
            break;
        else if (!is_cut_off)
            is_cut_off = give_all(stream, buffer, (size_t)n, last) < 0;
    }
    while (ws_stream_flush(stream, MSG_DONTWAIT) < 0 && is_to_be_repeated(errno))
        ;
    return error == EAGAIN ? 0 : error;
}
