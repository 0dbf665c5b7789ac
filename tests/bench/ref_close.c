// SPDX-License-Identifier: MIT
// How a reference that speaks last closes. A plain close() resets a connection whose client has
// sent what nobody read, and the answer may be lost with it; the careful ways shut down writing and
// wait for the client's end: `wait` at once, `aside` with one socket, until the next connection is
// over, and `closer` in a process that gets the sockets of all workers (SCM_RIGHTS, unix(7)).

#include <err.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/base.h"
#include "ref.h"

static char dropped[65536];
static int closer[2] = {-1, -1}; // its end, the workers' end

static void close_plainly(int fd)
{
    close(fd);
}

static void close_waiting(int fd)
{
    (void)shutdown(fd, SHUT_WR);
    while (recv(fd, dropped, sizeof(dropped), 0) > 0)
        ;
    close(fd);
}

static void close_aside(int fd)
{
    static int kept = -1;

    (void)shutdown(fd, SHUT_WR);
    if (kept >= 0) {
        while (recv(kept, dropped, sizeof(dropped), MSG_DONTWAIT) > 0)
            ;
        close(kept);
    }
    kept = fd;
}

union rights {
    struct cmsghdr head;
    char room[CMSG_SPACE(sizeof(int))];
};

static void close_by_closer(int fd)
{
    union rights rights = {.head = {.cmsg_len = CMSG_LEN(sizeof(fd)),
                                    .cmsg_level = SOL_SOCKET,
                                    .cmsg_type = SCM_RIGHTS}};
    char nothing = 0; // a descriptor needs a byte to travel with
    struct iovec byte = {.iov_base = &nothing, .iov_len = 1};
    struct msghdr message = {.msg_iov = &byte,
                             .msg_iovlen = 1,
                             .msg_control = &rights,
                             .msg_controllen = sizeof(rights)};

    (void)shutdown(fd, SHUT_WR);
    memcpy(CMSG_DATA(&rights.head), &fd, sizeof(fd));
    (void)sendmsg(closer[1], &message, MSG_NOSIGNAL);
    close(fd);
}

static int receive_one(void)
{
    union rights rights;
    char byte;
    struct iovec bytes = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &bytes,
                             .msg_iovlen = 1,
                             .msg_control = &rights,
                             .msg_controllen = sizeof(rights)};
    int fd = -1;

    if (recvmsg(closer[0], &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) > 0 &&
        message.msg_controllen >= sizeof(struct cmsghdr))
        memcpy(&fd, CMSG_DATA(&rights.head), sizeof(fd));
    return fd;
}

static void watch(int epoll_fd, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        err(71, "epoll_ctl");
}

// Most clients have ended when their socket comes here: those need no watch.
static bool is_over(int fd)
{
    ssize_t n;

    while ((n = recv(fd, dropped, sizeof(dropped), MSG_DONTWAIT)) > 0)
        ;
    if (n != 0)
        return false;
    close(fd);
    return true;
}

__attribute__((noreturn)) static void close_for_all(void)
{
    struct epoll_event events[64];
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC), fd;

    if (epoll_fd < 0)
        err(71, "epoll");
    watch(epoll_fd, closer[0]);
    for (;;) {
        int n = epoll_wait(epoll_fd, events, ELEMENTS(events), -1);

        for (int i = 0; i < n; i++) {
            if (events[i].data.fd != closer[0])
                (void)is_over(events[i].data.fd);
            else
                while ((fd = receive_one()) >= 0)
                    if (!is_over(fd))
                        watch(epoll_fd, fd);
        }
    }
}

static void start_closer(void)
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, closer) < 0)
        err(71, "socketpair");
    if (ref_fork() == 0)
        close_for_all();
}

static const struct {
    const char *name;
    ref_serve close;
    void (*start)(void);
} ways[] = {{"plain", close_plainly, NULL},
            {"wait", close_waiting, NULL},
            {"aside", close_aside, NULL},
            {"closer", close_by_closer, start_closer}};

ref_serve ref_close(const char *way)
{
    for (size_t i = 0; i < ELEMENTS(ways); i++) {
        if (strcmp(way, ways[i].name) != 0)
            continue;
        if (ways[i].start)
            ways[i].start();
        return ways[i].close;
    }
    errx(64, "%s: no way to close", way);
}
