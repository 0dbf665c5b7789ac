// SPDX-License-Identifier: MIT
// Connecting. A socket whose connect failed is unusable (its state is unspecified): it is closed,
// and the next address gets a fresh one. Failures are told only when every address failed; a name
// that answers at its second address is not worth a complaint.

#include "client/connect.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/base.h"
#include "client/trace.h"

#define RESOLVE_RETRIES    2
#define RESOLVE_PAUSE_USEC (300 * USEC_PER_MSEC)

// What became of one address.
struct attempt {
    char name[ADDRESS_TEXT_MAX];
    const char *step; // what failed, for the message; "" for the connect itself
    int error;
};

// address_resolve() that asks again when the name service says "try again".
static int resolve(const struct address_spec *spec, int family, bool passive, struct address *list)
{
    const struct timespec pause = base_timespec(RESOLVE_PAUSE_USEC);

    for (int retries = 0;; retries++) {
        int n = address_resolve(spec, family, passive, list, ADDRESS_MAX);

        if (n != EAI_AGAIN || retries == RESOLVE_RETRIES)
            return n;
        trace_say("%s: %s; asking again", spec->host, address_strerror(n));
        (void)nanosleep(&pause, NULL); // a shorter pause does no harm
    }
}

static enum status tell_unresolved(const struct address_spec *spec, int error)
{
    if (error == EAI_SYSTEM)
        return status_say(STATUS_SYSTEM, "%s: %s", spec->host, address_strerror(error));
    return status_say(error == EAI_MEMORY ? STATUS_SYSTEM : STATUS_UNKNOWN, "%s, port %s: %s",
                      spec->host, spec->port, address_strerror(error));
}

static int bind_source(int fd, const struct address_spec *source, int family)
{
    struct address list[ADDRESS_MAX];
    int on = 1, n = resolve(source, family, true, list);

    if (n <= 0)
        return -EADDRNOTAVAIL;
    if (address_port(&list[0].any) == 0)
        // Lets connect choose the port: it may then share one with connections to other peers.
        (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    else
        // A port of one's choice would else be lost for the minute of TIME_WAIT.
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    return bind(fd, &list[0].any, list[0].length) < 0 ? -errno : 0;
}

static int connect_inet(int fd, const struct address *to, uint64_t timeout_usec)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
    int error = 0, r;
    socklen_t length = sizeof(error);

    if (connect(fd, &to->any, to->length) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return -errno;
    r = peer_poll(&poll_fd, 1, peer_deadline(timeout_usec));
    if (r < 0)
        return r;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
        return -errno;
    return -error;
}

// Without a name of its own it could not be answered; the kernel chooses one.
static int bind_anywhere(int fd)
{
    const struct sockaddr nameless = {.sa_family = AF_UNIX};

    return bind(fd, &nameless, sizeof(sa_family_t)) < 0 ? -errno : 0;
}

// A unix socket whose queue is full has no connect in progress to poll for: it fails with EAGAIN at
// once, or blocks. So this blocks, bounded by the socket's own send timeout.
static int connect_unix(int fd, const struct address *to, uint64_t timeout_usec)
{
    struct timeval timeout = {0};
    int r;

    if (timeout_usec != USEC_NEVER) {
        timeout.tv_sec = (time_t)(timeout_usec / USEC_PER_SEC);
        timeout.tv_usec = (suseconds_t)(timeout_usec % USEC_PER_SEC);
    }
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) < 0)
        return -errno;
    do
        r = connect(fd, &to->any, to->length);
    while (r < 0 && errno == EINTR);
    if (r < 0)
        return errno == EAGAIN ? -ETIMEDOUT : -errno;
    return fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

// A connect to a free local port can meet itself: the kernel happens to choose the very same port
// for this end, and SYN answers SYN. Nobody listens there all the same.
static bool is_own_end(int fd)
{
    struct sockaddr_storage own = {0}, other = {0};
    socklen_t own_length = sizeof(own), other_length = sizeof(other);

    return getsockname(fd, (struct sockaddr *)&own, &own_length) == 0 &&
           getpeername(fd, (struct sockaddr *)&other, &other_length) == 0 &&
           own.ss_family != AF_UNIX && own_length == other_length &&
           memcmp(&own, &other, own_length) == 0;
}

// What is written goes out at once, and a peer that vanished is noticed after two minutes. Without
// these the client is only slower, or waits longer.
static void set_options(int fd)
{
    static const struct {
        int level, option, value;
    } options[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},   {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, 60}, {IPPROTO_TCP, TCP_KEEPINTVL, 10},
        {IPPROTO_TCP, TCP_KEEPCNT, 6},
    };

    for (size_t i = 0; i < ELEMENTS(options); i++)
        (void)setsockopt(fd, options[i].level, options[i].option, &options[i].value,
                         sizeof(options[i].value));
}

static int attempt_open(const struct connect_request *request, const struct address *to,
                        struct attempt *attempt, int *ret_fd)
{
    bool is_unix = to->any.sa_family == AF_UNIX;
    cleanup_close int fd = -1;
    int r;

    fd = socket(to->any.sa_family, to->type | SOCK_CLOEXEC | (is_unix ? 0 : SOCK_NONBLOCK), 0);
    if (fd < 0)
        return -errno;
    if (request->has_source) {
        r = bind_source(fd, &request->source, to->any.sa_family);
        if (r < 0) {
            attempt->step = "cannot bind the source address: ";
            return r;
        }
    }
    if (is_unix && to->type == SOCK_DGRAM) {
        r = bind_anywhere(fd);
        if (r < 0)
            return r;
    }
    r = is_unix ? connect_unix(fd, to, request->timeout_usec)
                : connect_inet(fd, to, request->timeout_usec);
    if (r < 0)
        return r;
    if (is_own_end(fd))
        return -ECONNREFUSED;
    if (to->type == SOCK_STREAM && !is_unix)
        set_options(fd);
    *ret_fd = base_take_fd(&fd);
    return 0;
}

static void tell_connected(int fd, const char *peer_name)
{
    struct sockaddr_storage own = {0};
    socklen_t length = sizeof(own);
    char text[ADDRESS_TEXT_MAX];

    (void)getsockname(fd, (struct sockaddr *)&own, &length); // cannot fail for a socket of ours
    trace_say("connected from %s to %s",
              address_format((struct sockaddr *)&own, length, text, sizeof(text)), peer_name);
}

// Tries the addresses in order. Returns the index of the one that answered, or n.
static int try_each(const struct connect_request *request, const struct address *list, int n,
                    struct attempt *attempts, int *ret_fd)
{
    for (int i = 0; i < n; i++) {
        struct attempt *attempt = &attempts[i];

        *attempt = (struct attempt){.step = ""};
        (void)address_spell(&list[i], SPEAKS_PLAIN, attempt->name, sizeof(attempt->name));
        trace_say("trying %s", attempt->name);
        attempt->error = attempt_open(request, &list[i], attempt, ret_fd);
        if (attempt->error == 0)
            return i;
        trace_say("%s: %s%s", attempt->name, attempt->step, status_words(attempt->error));
    }
    return n;
}

enum status connect_open(const struct connect_request *request, struct peer *ret_peer)
{
    const struct address_spec *target = &request->target;
    struct address list[ADDRESS_MAX];
    struct attempt attempts[ADDRESS_MAX];
    enum status status = STATUS_SYSTEM;
    int n, taken, fd = -1;

    if (target->kind != ADDRESS_UNIX)
        trace_say("resolving %s, port %s", target->host, target->port);
    n = resolve(target, request->family, false, list);
    if (n < 0)
        return tell_unresolved(target, n);
    taken = try_each(request, list, n, attempts, &fd);
    if (taken < n) {
        *ret_peer = (struct peer){.fd = fd,
                                  .has_messages = target->type != SOCK_STREAM,
                                  .is_datagram = target->type == SOCK_DGRAM,
                                  .timeout_usec = request->timeout_usec};
        memcpy(ret_peer->name, attempts[taken].name, sizeof(ret_peer->name));
        tell_connected(fd, ret_peer->name);
        return STATUS_DONE;
    }
    for (int i = 0; i < n; i++)
        status = status_say(status_of(attempts[i].error), "%s: %s%s", attempts[i].name,
                            attempts[i].step, status_words(attempts[i].error));
    return status;
}
