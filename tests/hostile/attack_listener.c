// SPDX-License-Identifier: MIT
// The listening socket, which all workers of a service, the master and systemd share, and the other
// descriptors that a worker keeps.

#include "hostile.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static void shut_down(const struct target *target, int what)
{
    tell(target, "shutdown", shutdown(find_fd(3, is_listener), what));
}

// Under a number that nobody knows, by a socket that passes it on to its own process.
static void shut_down_passed(const struct target *target, int what)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
                            .cmsg_level = SOL_SOCKET,
                            .cmsg_type = SCM_RIGHTS}};
    char byte = 'x';
    struct iovec iov = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.room,
                             .msg_controllen = sizeof(control.room)};
    int pair[2] = {-1, -1}, fd = find_fd(3, is_listener);

    memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
    (void)socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
    tell(target, "sendmsg", sendmsg(pair[0], &message, 0));
    tell(target, "recvmsg", recvmsg(pair[1], &message, MSG_CMSG_CLOEXEC));
    memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
    tell(target, "shutdown", shutdown(fd, what));
    (void)close(pair[0]);
    (void)close(pair[1]);
}

// A listener that is "connected" to nowhere does not listen any more.
static void disconnect(const struct target *target, int what)
{
    const struct sockaddr nowhere = {.sa_family = AF_UNSPEC};

    (void)what;
    tell(target, "connect", connect(find_fd(3, is_listener), &nowhere, sizeof(nowhere)));
}

static void listen_again(const struct target *target, int backlog)
{
    tell(target, "listen", listen(find_fd(3, is_listener), backlog));
}

// No packet reaches it any more, and nobody takes the filter off again.
static void filter(const struct target *target, int is_locked)
{
    struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
    const struct sock_fprog program = {.len = 1, .filter = &drop};
    const int yes = 1;
    int fd = find_fd(3, is_listener);

    tell(target, "setsockopt",
         setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)));
    if (is_locked)
        tell(target, "setsockopt", setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &yes, sizeof(yes)));
}

struct option {
    int level, name;
    const void *value;
    socklen_t size;
};

// What is set there holds for each connection that is accepted.
static void set_option(const struct target *target, int what)
{
    static const int one = 1, zero = 0, most = 255, minute = 60;
    static const struct timeval soon = {.tv_usec = 1};
    static const struct linger reset = {.l_onoff = 1};
    static const struct option options[] = {
        {SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon)},
        {SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)},
        {SOL_SOCKET, SO_SNDBUF, &one, sizeof(one)},
        {SOL_SOCKET, SO_RCVBUF, &one, sizeof(one)},
        {SOL_SOCKET, SO_MAX_PACING_RATE, &one, sizeof(one)},
        {SOL_SOCKET, SO_BINDTODEVICE, "nosuch0", 8},
        {IPPROTO_IP, IP_TTL, &one, sizeof(one)},
        {IPPROTO_IP, IP_MINTTL, &most, sizeof(most)},
        {IPPROTO_TCP, TCP_DEFER_ACCEPT, &minute, sizeof(minute)},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, &one, sizeof(one)},
        {IPPROTO_TCP, TCP_WINDOW_CLAMP, &one, sizeof(one)},
        {IPPROTO_TCP, TCP_MAXSEG, &most, sizeof(most)},
        {IPPROTO_TCP, TCP_NODELAY, &zero, sizeof(zero)},
        {IPPROTO_TCP, TCP_CONGESTION, "reno", 4},
    };
    const struct option *option = &options[what];

    tell(target, "setsockopt",
         setsockopt(find_fd(3, is_listener), option->level, option->name, option->value,
                    option->size));
}

// Packets without a signature of this key, which are all of them, are dropped.
static void sign(const struct target *target, int what)
{
    struct tcp_md5sig key = {.tcpm_keylen = 3, .tcpm_key = "key"};
    struct sockaddr_in client = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    (void)what;
    memcpy(&key.tcpm_addr, &client, sizeof(client));
    tell(target, "setsockopt",
         setsockopt(find_fd(3, is_listener), IPPROTO_TCP, TCP_MD5SIG, &key, sizeof(key)));
}

static void set_nonblocking(const struct target *target, int is_ioctl)
{
    const int on = 1;
    int fd = find_fd(3, is_listener);

    if (is_ioctl)
        tell(target, "ioctl", ioctl(fd, FIONBIO, &on));
    else
        tell(target, "fcntl", fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK));
}

// Each client that connects has the kernel kill the master.
static void set_owner(const struct target *target, int what)
{
    const int on = 1;
    int fd = find_fd(3, is_listener);

    (void)what;
    tell(target, "F_SETOWN", fcntl(fd, F_SETOWN, target->master));
    tell(target, "F_SETSIG", fcntl(fd, F_SETSIG, SIGKILL));
    tell(target, "ioctl", ioctl(fd, FIOASYNC, &on));
}

// --- Other descriptors ---

static bool is_unix_stream(int fd)
{
    int domain = 0, type = 0;
    socklen_t size = sizeof(int);

    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX &&
           getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

// The socket that drained workers put in their listener's place: if it listens, they wait there.
static void revive_dead_socket(const struct target *target, int what)
{
    const struct sockaddr_un any = {.sun_family = AF_UNIX};
    int fd = find_fd(3, is_unix_stream);

    (void)what;
    tell(target, "find", fd);
    tell(target, "bind", bind(fd, (const struct sockaddr *)&any, sizeof(any.sun_family)));
    tell(target, "listen", listen(fd, 16));
}

static void connect_dead_socket(const struct target *target, int what)
{
    struct sockaddr_un here = {.sun_family = AF_UNIX};
    socklen_t size = sizeof(here);
    int own = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)what;
    tell(target, "bind", bind(own, (struct sockaddr *)&here, sizeof(here.sun_family)));
    (void)listen(own, 1);
    (void)getsockname(own, (struct sockaddr *)&here, &size);
    tell(target, "connect", connect(find_fd(3, is_unix_stream), (struct sockaddr *)&here, size));
}

static void replace_all(const struct target *target, int what)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    (void)what;
    for (int fd = 2; fd < null; fd++)
        (void)dup2(null, fd);
    tell(target, "dup2", null);
}

static void close_all(const struct target *target, int what)
{
    (void)what;
    tell(target, "close_range", close_range(2, ~0U, 0));
}

// The next client of the own service is taken and dropped.
static void steal(const struct target *target, int what)
{
    int fd = find_fd(3, is_listener);
    int client;

    (void)what;
    tell(target, "listener", fd);
    client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    if (client >= 0)
        (void)close(client);
}

const struct attack attacks_on_listener[] = {
    {"shut-down", shut_down, SHUT_RDWR},
    {"shut-down-passed", shut_down_passed, SHUT_RDWR},
    {"disconnect", disconnect, 0},
    {"listen-0", listen_again, 0},
    {"filter", filter, false},
    {"filter-locked", filter, true},
    {"option-timeout", set_option, 0},
    {"option-linger", set_option, 1},
    {"option-sndbuf", set_option, 2},
    {"option-rcvbuf", set_option, 3},
    {"option-pace", set_option, 4},
    {"option-device", set_option, 5},
    {"option-ttl", set_option, 6},
    {"option-minttl", set_option, 7},
    {"option-defer", set_option, 8},
    {"option-user-timeout", set_option, 9},
    {"option-window", set_option, 10},
    {"option-maxseg", set_option, 11},
    {"option-nodelay", set_option, 12},
    {"option-congestion", set_option, 13},
    {"option-md5", sign, 0},
    {"nonblocking", set_nonblocking, false},
    {"nonblocking-ioctl", set_nonblocking, true},
    {"owned-by-master", set_owner, 0},
    {"dead-listens", revive_dead_socket, 0},
    {"dead-connects", connect_dead_socket, 0},
    {"replace-all", replace_all, 0},
    {"close-all", close_all, 0},
    {"steal", steal, 0},
    {NULL, NULL, 0},
};
