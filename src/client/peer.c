// SPDX-License-Identifier: MIT
// The connected socket. It never blocks in a read or a write: one that did could wait for a peer
// which in turn waits for us to read.

#include "client/peer.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/base.h"
#include "client/tls.h"
#include "client/trace.h"

#define LAST_WORDS_USEC (2 * USEC_PER_SEC)

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

short peer_events(const struct peer *peer, short events)
{
    return tls_wants(peer->tls, events);
}

bool peer_has_more(const struct peer *peer)
{
    return tls_has_more(peer->tls);
}

int peer_wait(const struct peer *peer, short events)
{
    struct pollfd fd = {.fd = peer->fd, .events = peer_events(peer, events)};
    int r;

    if ((events & POLLIN) && peer_has_more(peer))
        return POLLIN;
    r = peer_poll(&fd, 1, peer_deadline(peer->timeout_usec));
    return r < 0 ? r : peer->tls ? events : fd.revents;
}

ssize_t peer_read(struct peer *peer, void *data, size_t size)
{
    int flags = MSG_DONTWAIT | (peer->has_messages ? MSG_TRUNC : 0); // tells a message's length
    ssize_t n;

    do
        n = peer->tls ? tls_read(peer->tls, data, size) : recv(peer->fd, data, size, flags);
    while (n < 0 && !peer->tls && errno == EINTR);
    if (n < 0)
        return peer->tls ? n : -errno;
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
        n = peer->tls ? tls_write(peer->tls, data, size)
                      : send(peer->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && !peer->tls && errno == EINTR);
    if (n < 0)
        return peer->tls ? n : -errno;
    peer->n_sent += (uint64_t)n;
    return n;
}

void peer_end_output(struct peer *peer)
{
    uint64_t deadline = base_now_usec() + LAST_WORDS_USEC;
    struct pollfd fd = {.fd = peer->fd, .events = POLLOUT};

    while (peer->tls && tls_end(peer->tls) == -EAGAIN && peer_poll(&fd, 1, deadline) >= 0)
        continue;
    (void)shutdown(peer->fd,
                   SHUT_WR); // fails only when the peer is gone, which the next read tells
    trace_say("end of output sent");
}

void peer_close(struct peer *peer)
{
    tls_done(peer->tls);
    peer->tls = NULL;
    base_close_fd(&peer->fd);
}
