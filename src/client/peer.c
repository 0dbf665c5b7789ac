// SPDX-License-Identifier: MIT
// The connected socket. It never blocks in a read or a write: one that did could wait for a peer
// which in turn waits for us to read.

#include "client/peer.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/base.h"
#include "client/trace.h"

uint64_t peer_deadline(uint64_t timeout_usec)
{
    return timeout_usec == USEC_NEVER ? USEC_NEVER : base_now_usec() + timeout_usec;
}

int peer_poll(struct pollfd *fds, nfds_t n, uint64_t deadline_usec)
{
    int r;

    do {
        uint64_t now_usec = base_now_usec();
        struct timespec left = base_timespec(deadline_usec > now_usec ? deadline_usec - now_usec
                                                                      : 0);

        r = ppoll(fds, n, deadline_usec == USEC_NEVER ? NULL : &left, NULL);
    } while (r < 0 && errno == EINTR);
    if (r < 0)
        return -errno;
    return r == 0 ? -ETIMEDOUT : r;
}

int peer_wait(const struct peer *peer, short events)
{
    struct pollfd fd = {.fd = peer->fd, .events = events};
    int r = peer_poll(&fd, 1, peer_deadline(peer->timeout_usec));

    return r < 0 ? r : fd.revents;
}

ssize_t peer_read(struct peer *peer, void *data, size_t size)
{
    int flags = MSG_DONTWAIT | (peer->has_messages ? MSG_TRUNC : 0); // tells a message's length
    ssize_t n;

    do
        n = recv(peer->fd, data, size, flags);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    if ((size_t)n > size)
        return -EMSGSIZE;
    if (n == 0 && !peer->is_datagram)
        trace_say("peer closed");
    peer->n_received += (uint64_t)n;
    return n;
}

ssize_t peer_write(struct peer *peer, const void *data, size_t size)
{
    ssize_t n;

    do
        n = send(peer->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    peer->n_sent += (uint64_t)n;
    return n;
}

void peer_end_output(const struct peer *peer)
{
    (void)shutdown(peer->fd,
                   SHUT_WR); // fails only when the peer is gone, which the next read tells
    trace_say("end of output sent");
}
