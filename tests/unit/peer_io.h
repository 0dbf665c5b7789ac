// SPDX-License-Identifier: MIT
// What the client of peer.h is told to do, and how it sends and reads one piece without blocking.
#pragma once

#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>

#include "unit.h"

struct peer {
    int fd; // its end of a pair; not closed here
    const void *text;
    size_t n_text;
    size_t piece;            // bytes for each send(), 0: as many as go
    unsigned send_pause_ms;  // before each send()
    size_t greeting, answer; // so many bytes must have come before the first send(); for each sent
    bool half_close;         // ends its side behind the text
    size_t read_piece;       // bytes for each recv(), 0: as many as there are
    unsigned read_pause_ms;  // before each recv()
    uint8_t *got;            // all that came; free() it
    size_t n_got, n_sent;
    uint64_t sent_usec, late_usec; // its last send(), or its start; what came on top of a pause
    int error;                     // errno that ended it, 0: the server's end
    pthread_t thread;
};

static inline void peer_pause(unsigned ms)
{
    if (ms > 0)
        (void)usleep(ms * 1000);
}

static inline void peer_send(struct peer *peer)
{
    size_t left = peer->n_text - peer->n_sent;
    size_t size = peer->piece > 0 && peer->piece < left ? peer->piece : left;
    uint64_t late_usec;
    ssize_t n;

    peer_pause(peer->send_pause_ms);
    late_usec = base_now_usec() - peer->sent_usec - peer->send_pause_ms * USEC_PER_MSEC;
    peer->late_usec = late_usec > peer->late_usec ? late_usec : peer->late_usec;
    peer->sent_usec = base_now_usec();
    n = send(peer->fd, (const char *)peer->text + peer->n_sent, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN)
        peer->n_sent = peer->n_text; // the server reads no more
    else
        peer->n_sent += n > 0 ? (size_t)n : 0;
    if (peer->n_sent == peer->n_text && peer->half_close)
        (void)shutdown(peer->fd, SHUT_WR);
}

// False at the end.
static inline bool peer_receive(struct peer *peer)
{
    size_t size = peer->read_piece > 0 ? peer->read_piece : 256 * UINT64_C(1024);
    ssize_t n;

    peer_pause(peer->read_pause_ms);
    peer->got = realloc(peer->got, peer->n_got + size);
    n = recv(peer->fd, peer->got + peer->n_got, size, MSG_DONTWAIT);
    peer->n_got += n > 0 ? (size_t)n : 0;
    peer->error = n < 0 && errno != EAGAIN ? errno : 0;
    return n > 0 || (n < 0 && peer->error == 0);
}
