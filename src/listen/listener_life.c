// SPDX-License-Identifier: MIT
// What becomes of a listening socket: how full its queue is, how new connections are kept out while
// the queue is emptied, and whether somebody has shut it down. A listener is everybody's who has a
// copy of it: what another process does to it, it does to us.

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>

#include "base/base.h"
#include "listen/listener.h"
#include "listen/listener_bind.h"
#include "listen/listener_datagram.h"
#include "log/log.h"

// SYN is bit 1 and ACK bit 4 of the TCP header's byte 13; a new connection is SYN without ACK.
#define TCP_FLAGS_OFFSET 13
#define TCP_FLAGS_SYN    0x02
#define TCP_FLAGS_BOTH   0x12

bool listener_counts(const struct listener *listener)
{
    return listener->family != AF_UNIX && listener->bound.type == SOCK_STREAM;
}

unsigned listener_queued(const struct listener *listener)
{
    struct pollfd queue = {.fd = listener->fd, .events = POLLIN};
    struct tcp_info info;
    socklen_t length = sizeof(info);

    if (!listener_counts(listener)) // one that was shut down is readable for ever
        return !(listener->emptied && listener->family == AF_UNIX) && poll(&queue, 1, 0) > 0 &&
               (queue.revents & POLLIN) != 0;
    return getsockopt(listener->fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 ? info.tcpi_unacked
                                                                                : 0;
}

bool listener_is_shut(const struct listener *listener)
{
    struct pollfd end = {.fd = listener->fd, .events = POLLRDHUP};
    int listening = 1;
    socklen_t length = sizeof(listening);

    if (!listener_counts(listener)) // it counts as listening all the same, or never does
        return poll(&end, 1, 0) > 0 && (end.revents & (POLLRDHUP | POLLHUP)) != 0;
    return getsockopt(listener->fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) == 0 &&
           listening == 0;
}

// Who waits in a unix socket's queue sees by it who listens, so only our own is told again.
static bool is_backlog_wrong(const struct listener *listener)
{
    struct tcp_info info;
    socklen_t length = sizeof(info);

    if (listener_counts(listener))
        return getsockopt(listener->fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 &&
               info.tcpi_sacked != listener->effective_backlog;
    if (listener->origin == LISTENER_BOUND && listener->bound.type != SOCK_DGRAM)
        (void)listen(listener->fd, (int)listener->backlog); // what it was nobody can know
    return false;
}

const char *listener_restore(const struct listener *listener, int *ret_error)
{
    const char *wrong = listener_options_restore(listener->fd, &listener->options, ret_error);

    if (!is_backlog_wrong(listener))
        return wrong;
    if (listen(listener->fd, (int)listener->effective_backlog) < 0)
        *ret_error = -errno;
    return "backlog";
}

bool listener_make_blocking(const struct listener *listener)
{
    int flags = fcntl(listener->fd, F_GETFL);

    return flags >= 0 && (flags & O_NONBLOCK) != 0 &&
           fcntl(listener->fd, F_SETFL, flags & ~O_NONBLOCK) == 0;
}

// A filter on the listener drops every SYN, while handshakes under way still complete; a client
// that comes now tries again and then meets the next tcpd, or a closed port.
static int drop_new(int fd)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, TCP_FLAGS_OFFSET),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, TCP_FLAGS_BOTH),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TCP_FLAGS_SYN, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
    };
    struct sock_fprog program = {.len = ELEMENTS(code), .filter = code};

    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ? -errno : 0;
}

// Bound to an interface that there is not, the listener is found by no SYN any more, while a
// handshake under way has found it already: who comes now is refused. Needs no privilege, but to
// undo it does.
static int refuse_new(int fd)
{
    int nowhere = INT_MAX;

    return setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &nowhere, sizeof(nowhere)) < 0 ? -errno : 0;
}

// What comes now is lost, as anything that comes to a closed port; so the next tcpd is to have it.
static enum listener_quiet quiesce_datagrams(const struct listener *listener)
{
    int r = listener->stored ? 0 : datagram_drop_all(listener->fd);

    if (listener->stored)
        return LISTENER_OPEN;
    if (r == 0)
        return LISTENER_QUIET;
    log_warning("%s: the kernel refuses a filter: %s; datagrams that come during the stop may be "
                "lost",
                listener->address, strerror(-r));
    return LISTENER_TRICKLES;
}

enum listener_quiet listener_quiesce(const struct listener *listener, bool for_good)
{
    int r;

    if (listener->origin != LISTENER_BOUND)
        return LISTENER_OPEN;
    if (listener->family == AF_UNIX) {
        listener_remove_path(listener);
        if (listener->stored)
            return LISTENER_OPEN;
        if (listener->bound.type == SOCK_DGRAM)
            (void)datagram_drop_all(listener->fd); // from those who have it already
        return listener_is_shut(listener) ? LISTENER_SHUT : LISTENER_QUIET;
    }
    if (listener->bound.type == SOCK_DGRAM)
        return quiesce_datagrams(listener);
    r = drop_new(listener->fd);
    if (r == 0)
        return LISTENER_QUIET;
    if (listener->stored)
        return LISTENER_OPEN;
    if (for_good && refuse_new(listener->fd) == 0)
        return LISTENER_QUIET;
    (void)listen(listener->fd, 0); // the queue stays, and one more may enter it at a time
    log_warning("%s: the kernel refuses a filter: %s; clients that connect during the stop may be "
                "reset",
                listener->address, strerror(-r));
    return LISTENER_TRICKLES;
}

void listener_resume(const struct listener *listener)
{
    int unused = 0;

    if (listener->origin != LISTENER_BOUND || listener->family == AF_UNIX)
        return;
    (void)setsockopt(listener->fd, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof(unused));
    if (listener->bound.type != SOCK_DGRAM)
        (void)listen(listener->fd, (int)listener->backlog);
}

static int revive_datagrams(struct listener *listener)
{
    int r = datagram_revive(listener);

    if (r < 0 || !listener->stored)
        return r;
    listener_unstore(listener); // the old one
    listener_store(listener);
    return r;
}

int listener_revive(struct listener *listener)
{
    const struct sockaddr none = {.sa_family = AF_UNSPEC};

    if (listener->family == AF_UNIX)
        return -EOPNOTSUPP; // listen(2) does not undo it
    if (listener->bound.type == SOCK_DGRAM)
        return revive_datagrams(listener);
    // Once more shut down while it did not listen, it would pass that on to those it accepts.
    (void)connect(listener->fd, &none, sizeof(none));
    // A port that the kernel had chosen is lost with the shutdown; listen() would choose another
    // one.
    if (bind(listener->fd, &listener->bound.any, listener->bound.length) < 0 && errno != EINVAL)
        return -errno;
    return listen(listener->fd, (int)listener->backlog) < 0 ? -errno : 0;
}

int listeners_exit_status(int error)
{
    switch (-error) {
    case EACCES:
    case EPERM:
        return EX_NOPERM;
    case EADDRINUSE:
    case EEXIST:
        return EX_UNAVAILABLE;
    case EADDRNOTAVAIL:
    case EHOSTUNREACH:
        return EX_NOHOST;
    case EDESTADDRREQ:
        return EX_CONFIG;
    default:
        return EX_OSERR;
    }
}
