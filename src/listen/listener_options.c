// SPDX-License-Identifier: MIT
// A table of what a connection inherits, or what decides who comes in. One getsockopt(2) each: all
// take 10 us, once a second. socket(7), tcp(7), ip(7).

#include "listen/listener_options.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "base/base.h"

#ifndef SO_BUF_LOCK
#define SO_BUF_LOCK 72 // Linux 5.14; not in older headers
#endif

#define OPTION(level, name)       \
    {                             \
        level, name, #name, false \
    }
#define BUFFER(level, name)      \
    {                            \
        level, name, #name, true \
    }

static const struct {
    int level, option;
    const char *name;
    bool is_doubled; // by the kernel, when it is set
} table[] = {
    OPTION(SOL_SOCKET, SO_RCVTIMEO),
    OPTION(SOL_SOCKET, SO_SNDTIMEO),
    OPTION(SOL_SOCKET, SO_LINGER),
    OPTION(SOL_SOCKET, SO_RCVLOWAT),
    OPTION(SOL_SOCKET, SO_OOBINLINE),
    OPTION(SOL_SOCKET, SO_KEEPALIVE),
    OPTION(SOL_SOCKET, SO_DONTROUTE),
    OPTION(SOL_SOCKET, SO_REUSEPORT),
    OPTION(SOL_SOCKET, SO_BINDTOIFINDEX),
    OPTION(SOL_SOCKET, SO_MAX_PACING_RATE),
    OPTION(SOL_SOCKET, SO_PRIORITY),
    BUFFER(SOL_SOCKET, SO_RCVBUF),
    BUFFER(SOL_SOCKET, SO_SNDBUF),
    OPTION(SOL_SOCKET, SO_BUF_LOCK),
    OPTION(IPPROTO_TCP, TCP_DEFER_ACCEPT),
    OPTION(IPPROTO_TCP, TCP_NODELAY),
    OPTION(IPPROTO_TCP, TCP_CORK),
    OPTION(IPPROTO_TCP, TCP_USER_TIMEOUT),
    OPTION(IPPROTO_TCP, TCP_KEEPIDLE),
    OPTION(IPPROTO_TCP, TCP_KEEPINTVL),
    OPTION(IPPROTO_TCP, TCP_KEEPCNT),
    OPTION(IPPROTO_TCP, TCP_SYNCNT),
    OPTION(IPPROTO_IP, IP_TTL),
    OPTION(IPPROTO_IP, IP_MINTTL),
    OPTION(IPPROTO_IP, IP_TOS),
    OPTION(IPPROTO_IPV6, IPV6_UNICAST_HOPS),
    OPTION(IPPROTO_IPV6, IPV6_MINHOPCOUNT),
};

_Static_assert(ELEMENTS(table) <= LISTENER_OPTIONS_MAX, "room for all");

// Its size, 0: there is none.
static uint8_t get(int fd, size_t i, uint64_t ret_value[2])
{
    socklen_t size = 2 * sizeof(uint64_t);

    memset(ret_value, 0, size);
    return getsockopt(fd, table[i].level, table[i].option, ret_value, &size) == 0 ? (uint8_t)size
                                                                                  : 0;
}

static int set(int fd, size_t i, const uint64_t noted[2], socklen_t size)
{
    uint64_t value[2] = {noted[0], noted[1]};
    int buffer;

    if (table[i].is_doubled) {
        memcpy(&buffer, value, sizeof(buffer));
        buffer /= 2;
        memcpy(value, &buffer, sizeof(buffer));
    }
    return setsockopt(fd, table[i].level, table[i].option, value, size) < 0 ? -errno : 0;
}

void listener_options_note(int fd, struct listener_options *ret)
{
    for (size_t i = 0; i < ELEMENTS(table); i++)
        ret->sizes[i] = get(fd, i, ret->values[i]);
}

const char *listener_options_restore(int fd, const struct listener_options *options, int *ret_error)
{
    const char *wrong = NULL;
    int unused = 0, r;

    *ret_error = 0;
    if (setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof(unused)) == 0)
        wrong = "SO_ATTACH_FILTER";
    else if (errno == EPERM) { // somebody has locked it
        *ret_error = -EPERM;
        return "SO_LOCK_FILTER";
    }
    for (size_t i = 0; i < ELEMENTS(table); i++) {
        uint64_t value[2];

        if (options->sizes[i] == 0 || get(fd, i, value) != options->sizes[i] ||
            memcmp(value, options->values[i], sizeof(value)) == 0)
            continue;
        wrong = wrong ? wrong : table[i].name;
        r = set(fd, i, options->values[i], options->sizes[i]);
        if (r < 0)
            *ret_error = r;
    }
    return wrong;
}
