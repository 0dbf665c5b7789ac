// SPDX-License-Identifier: MIT
// The load generator's sockets: of any type, towards an IPv4 address or a unix path. One that
// cannot be had ends the program with status 71.
#pragma once

#include <err.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "load_modes.h"

#define SOCKET_SOURCES 250 // 127.0.0.2 and up: one pair of addresses has but 28,000 ports

static inline bool socket_is_tcp(void)
{
    return option.address.any.sa_family == AF_INET && option.socket_type == SOCK_STREAM;
}

// Whether what is sent arrives in the same pieces.
static inline bool socket_keeps_messages(void)
{
    return option.socket_type != SOCK_STREAM;
}

// Its own address for each of many connections.
static inline void socket_bind(int fd, uint32_t serial)
{
    struct sockaddr_in source = {.sin_family = AF_INET};
    const int on = 1;

    source.sin_addr = option.source;
    if (option.source.s_addr == 0)
        source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + serial % SOCKET_SOURCES);
    if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) < 0 ||
        bind(fd, (struct sockaddr *)&source, sizeof(source)) < 0)
        err(71, "bind");
}

static inline int socket_open(uint32_t serial)
{
    int fd = socket(option.address.any.sa_family, option.socket_type | SOCK_NONBLOCK | SOCK_CLOEXEC,
                    0);
    const int on = 1;

    if (fd < 0)
        err(71, "socket");
    if (option.mode->reconnects && socket_is_tcp() &&
        ntohl(option.address.in.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET)
        socket_bind(fd, serial);
    // The last segment of a message must never wait for an ACK on our account.
    if (socket_is_tcp() && (!option.mode->reconnects || option.opcode || option.ca_file) &&
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
        err(71, "TCP_NODELAY");
    return fd;
}

// 0: connected, or it goes on; or -errno.
static inline int socket_connect(int fd)
{
    if (connect(fd, &option.address.any, option.address_size) == 0 || errno == EINPROGRESS)
        return 0;
    return -errno;
}
