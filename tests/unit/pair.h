// SPDX-License-Identifier: MIT
// Two ends of one connection for the tests of sessions and handlers: over a unix socket pair, or
// over TCP on the loopback interface. Who opens a pair closes both ends.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "unit.h"

enum pair_kind { PAIR_UNIX, PAIR_TCP, PAIR_KINDS };

static const char *const pair_names[PAIR_KINDS] = {[PAIR_UNIX] = "unix", [PAIR_TCP] = "TCP"};

struct pair {
    int server; // for the session under test
    int client;
};

static inline struct pair pair_open_tcp(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr *any = (struct sockaddr *)&address;
    socklen_t length = sizeof(address);
    cleanup_close int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct pair pair = {.client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};

    assert_int_equal(bind(listener, any, length), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, any, &length), 0);
    assert_int_equal(connect(pair.client, any, length), 0);
    pair.server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(pair.server >= 0);
    return pair;
}

static inline struct pair pair_open(enum pair_kind kind)
{
    int fds[2];

    if (kind == PAIR_TCP)
        return pair_open_tcp();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    return (struct pair){.server = fds[0], .client = fds[1]};
}

static inline void pair_close(struct pair *pair)
{
    base_close_fd(&pair->server);
    base_close_fd(&pair->client);
    *pair = (struct pair){-1, -1};
}
