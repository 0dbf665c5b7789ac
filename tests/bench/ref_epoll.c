// SPDX-License-Identifier: MIT
// The other kind of server, to show how it spreads connections: each worker waits with epoll for
// the shared listener and for its own connections. Echoes small messages only: a connection whose
// client does not read is closed.

#include <err.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/base.h"
#include "ref.h"

static char buffer[65536];

static void watch(int epoll_fd, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};

    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        err(71, "epoll_ctl");
}

static void echo(int fd)
{
    ssize_t n = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);

    if (n <= 0 || send(fd, buffer, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT) != n)
        close(fd); // which ends the watch, too
}

void ref_epoll(int listener)
{
    struct epoll_event events[64];
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);

    if (epoll_fd < 0)
        err(71, "epoll");
    watch(epoll_fd, listener, EPOLLIN | EPOLLEXCLUSIVE);
    for (;;) {
        int n = epoll_wait(epoll_fd, events, ELEMENTS(events), -1);

        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;

            if (fd != listener)
                echo(fd);
            else if ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
                watch(epoll_fd, fd, EPOLLIN);
        }
    }
}
