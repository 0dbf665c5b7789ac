// SPDX-License-Identifier: MIT
#include "listen/listener_datagram.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/address.h"
#include "base/base.h"

int datagram_or_listen(int fd, int type, const struct service *service)
{
    int room = service->receive_buffer < INT_MAX / 2 ? (int)service->receive_buffer : INT_MAX / 2;

    if (type != SOCK_DGRAM)
        return listen(fd, (int)service->backlog) < 0 ? -errno : 0;
    if (room > 0 && setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)) < 0)
        return -errno;
    return 0;
}

static bool is_group(const struct sockaddr *address)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;

    return address->sa_family == AF_INET6
               ? IN6_IS_ADDR_MULTICAST(&in6->sin6_addr)
               : address->sa_family == AF_INET && IN_MULTICAST(ntohl(in->sin_addr.s_addr));
}

void datagram_ask(int fd)
{
    struct sockaddr_storage bound = {0};
    socklen_t length = sizeof(bound);
    const struct sockaddr *address = (const struct sockaddr *)&bound;
    int on = 1;

    (void)getsockname(fd, (struct sockaddr *)&bound, &length);
    if (!address_is_wildcard(address) && !is_group(address))
        return;
    (void)setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)); // each fails but for its own
    (void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
}

static unsigned unix_room(void)
{
    cleanup_close int fd = open("/proc/sys/net/unix/max_dgram_qlen", O_RDONLY | O_CLOEXEC);
    char text[16] = "";

    return fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 ? (unsigned)strtoul(text, NULL, 10) : 0;
}

static bool read_memory(int fd, unsigned memory[static SK_MEMINFO_VARS])
{
    socklen_t length = SK_MEMINFO_VARS * sizeof(memory[0]);

    return getsockopt(fd, SOL_SOCKET, SO_MEMINFO, memory, &length) == 0;
}

unsigned datagram_room(int fd, sa_family_t family)
{
    unsigned memory[SK_MEMINFO_VARS] = {0};

    if (family == AF_UNIX)
        return unix_room();
    return read_memory(fd, memory) ? memory[SK_MEMINFO_RCVBUF] : 0;
}

unsigned listener_waiting(const struct listener *listener)
{
    unsigned memory[SK_MEMINFO_VARS] = {0};

    if (listener->bound.type != SOCK_DGRAM || listener->family == AF_UNIX)
        return listener_queued(listener);
    return read_memory(listener->fd, memory) ? memory[SK_MEMINFO_RMEM_ALLOC] : 0;
}

const char *listener_describe_room(const struct listener *listener, char *text, size_t size)
{
    bool is_datagram = listener->bound.type == SOCK_DGRAM;
    bool is_cut = !is_datagram && listener->effective_backlog < listener->backlog;

    (void)snprintf(text, size, "%s %u%s",
                   is_datagram && listener->family != AF_UNIX ? "receive buffer" : "backlog",
                   listener->effective_backlog, is_cut ? " (net.core.somaxconn)" : "");
    return text;
}

unsigned listener_dropped(const struct listener *listener)
{
    unsigned memory[SK_MEMINFO_VARS] = {0};

    if (listener->bound.type != SOCK_DGRAM)
        return 0;
    return read_memory(listener->fd, memory) ? memory[SK_MEMINFO_DROPS] : 0;
}

int datagram_revive(const struct listener *listener)
{
    cleanup_close int fd = socket(listener->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int on = 1, off = 0, v6only = !listener->bound.dual_stack;
    int room = (int)listener->effective_backlog / 2; // the kernel has doubled it

    if (fd < 0)
        return -errno;
    // Both are there for a moment, as the workers' copies of the old one.
    (void)setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (listener->family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only));
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
    datagram_ask(fd);
    if (bind(fd, &listener->bound.any, listener->bound.length) < 0)
        return -errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &off, sizeof(off));
    return dup3(fd, listener->fd, O_CLOEXEC) < 0 ? -errno : 0;
}

int datagram_drop_all(int fd)
{
    struct sock_filter code[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
    struct sock_fprog program = {.len = ELEMENTS(code), .filter = code};

    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ? -errno : 0;
}
