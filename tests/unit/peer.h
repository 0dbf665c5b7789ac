// SPDX-License-Identifier: MIT
// A client in a thread of its own: sends its text in pieces, ends its side if told to, and reads
// until the end of the server's, slowly if told to. Sends and reads at the same time, so that it
// never waits for the server to read first.
#pragma once

#include <poll.h>

#include "peer_io.h"

static inline void *peer_main(void *argument)
{
    struct peer *peer = argument;
    struct pollfd poll_fd = {.fd = peer->fd};
    bool more = true;

    if (peer->n_text == 0 && peer->half_close)
        (void)shutdown(peer->fd, SHUT_WR);
    while (more) {
        bool sending = peer->n_sent < peer->n_text &&
                       peer->n_got >= peer->greeting + peer->n_sent * peer->answer;

        poll_fd.events = (short)(POLLIN | (sending ? POLLOUT : 0));
        (void)poll(&poll_fd, 1, -1);
        if (sending && (poll_fd.revents & POLLOUT))
            peer_send(peer);
        if (poll_fd.revents & (POLLIN | POLLHUP | POLLERR))
            more = peer_receive(peer);
    }
    (void)shutdown(peer->fd, SHUT_WR); // as clients do, so that the server need not linger
    return NULL;
}

static inline void peer_start(struct peer *peer)
{
    peer->sent_usec = base_now_usec();
    assert_int_equal(pthread_create(&peer->thread, NULL, peer_main, peer), 0);
}

// A loaded machine has held it up, so that a deadline may have come between.
static inline bool peer_was_late(const struct peer *peer)
{
    return peer->late_usec > 5 * USEC_PER_MSEC;
}

// Waits until the server has ended its side.
static inline void peer_join(struct peer *peer)
{
    assert_int_equal(pthread_join(peer->thread, NULL), 0);
}
