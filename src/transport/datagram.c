// SPDX-License-Identifier: MIT
#include "transport/datagram.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdalign.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/un.h>

#include "base/base.h"

#define PAGE     4096
#define IN_KEPT  (16 * 1024) // bytes of a datagram that leave the buffer where it is
#define A_SENDER offsetof(struct sockaddr_un, sun_path)

union control {
    struct cmsghdr align;
    char room[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(struct in_pktinfo))];
};

union endpoint {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_storage storage;
};

static struct datagram {
    struct stage stage; // the first, so that a pointer to it is one to all
    struct datagram_settings settings;
    union endpoint bound; // of the listener
    bool is_told;         // which of our addresses is asked, as it is bound to more than one
    union endpoint peer, local;
    socklen_t bound_length, peer_length;
    size_t n, start; // of the datagram: its bytes, and those that were taken
    bool is_taken, is_cut;
    struct datagram_account account;
    size_t n_out; // of the answer that is being written in parts
} datagram;

alignas(PAGE) static uint8_t in[DATAGRAM_MAX], out[DATAGRAM_MAX];

static enum datagram_loss count(enum datagram_loss cause)
{
    if (cause != DATAGRAM_GOOD)
        datagram_losses_count(datagram.settings.losses, cause);
    return cause;
}

static struct datagram_ends ends(void)
{
    return (struct datagram_ends){.peer = &datagram.peer.any, .local = &datagram.local.any};
}

static void start(struct stage *stage)
{
    (void)stage;
    datagram.start = datagram.n_out = 0;
    datagram.is_taken = false;
    datagram.account = (struct datagram_account){.n_question = datagram.n};
}

static int begin(struct stage *stage, int flags)
{
    (void)stage;
    (void)flags;
    if (!datagram.is_cut)
        return 1;
    (void)count(DATAGRAM_TOO_LONG);
    errno = EPROTO;
    return -1;
}

static ssize_t take(struct stage *stage, void *data, size_t size, int flags, bool *ret_last)
{
    size_t left = datagram.n - datagram.start, n = left < size ? left : size;

    (void)stage;
    (void)flags;
    *ret_last = n == left && !datagram.is_taken;
    memcpy(data, in + datagram.start, n);
    datagram.start += n;
    datagram.is_taken = n == left;
    return (ssize_t)n;
}

static void add_control(struct msghdr *message, int level, int type, const void *data, size_t size)
{
    struct cmsghdr *control = message->msg_control;

    *control = (struct cmsghdr){.cmsg_level = level, .cmsg_type = type, .cmsg_len = CMSG_LEN(size)};
    memcpy(CMSG_DATA(control), data, size);
    message->msg_controllen = CMSG_SPACE(size);
}

// From the address that was asked. The way back is the routing table's to find; only a link-local
// address means nothing without its interface, which the peer's has as well.
static ssize_t send_from(const void *data, size_t size)
{
    union control control = {.room = {0}};
    struct iovec bytes = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
    struct msghdr message = {.msg_name = &datagram.peer,
                             .msg_namelen = datagram.peer_length,
                             .msg_iov = &bytes,
                             .msg_iovlen = 1,
                             .msg_control = &control};
    struct in_pktinfo v4 = {.ipi_spec_dst = datagram.local.in.sin_addr};
    struct in6_pktinfo v6 = {.ipi6_addr = datagram.local.in6.sin6_addr,
                             .ipi6_ifindex = datagram.local.in6.sin6_scope_id};

    if (datagram.local.any.sa_family == AF_INET)
        add_control(&message, IPPROTO_IP, IP_PKTINFO, &v4, sizeof(v4));
    else
        add_control(&message, IPPROTO_IPV6, IPV6_PKTINFO, &v6, sizeof(v6));
    return sendmsg(datagram.settings.out, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static ssize_t send_plain(const void *data, size_t size)
{
    return sendto(datagram.settings.out, data, size, MSG_DONTWAIT | MSG_NOSIGNAL,
                  &datagram.peer.any, datagram.peer_length);
}

// 0, or -1: nothing more is to be sent to this peer.
static int send_answer(const void *data, size_t size)
{
    for (;;) {
        if ((datagram.is_told ? send_from : send_plain)(data, size) >= 0)
            return 0;
        if (errno == EAGAIN || errno == ENOBUFS) {
            (void)count(DATAGRAM_FULL);
            return 0;
        }
        if (errno != EINTR)
            break;
    }
    (void)count(DATAGRAM_UNDELIVERED);
    if (errno != EMSGSIZE) // that one is ours; other peers may have gone, as they may
        errno = ESHUTDOWN;
    return -1;
}

static int answer(const void *data, size_t size)
{
    struct datagram_ends both = ends();
    enum datagram_loss loss = datagram.peer_length <= A_SENDER
                                  ? DATAGRAM_NO_SENDER
                                  : datagram_judge_answer(&datagram.settings.rules, &both,
                                                          &datagram.account, size);

    if (count(loss) == DATAGRAM_GOOD)
        return send_answer(data, size);
    errno = ESHUTDOWN;
    return -1;
}

static ssize_t give(struct stage *stage, const void *data, size_t size, int flags, bool is_last)
{
    size_t before = datagram.n_out;
    int r = 0;

    (void)stage;
    (void)flags;
    if (size > DATAGRAM_MAX - before) {
        errno = EMSGSIZE;
        return -1;
    }
    if (before > 0 || !is_last) {
        memcpy(out + before, data, size);
        datagram.n_out += size;
        data = out;
    }
    if (is_last) {
        datagram.n_out = 0;
        r = answer(data, before + size);
    }
    return r < 0 ? -1 : (ssize_t)size;
}

static bool has_more(const struct stage *stage)
{
    (void)stage;
    return !datagram.is_taken;
}

static const char *wrong(const struct stage *stage)
{
    (void)stage;
    return datagram.is_cut ? "longer than 64 KiB" : NULL;
}

static socklen_t local(const struct stage *stage, struct sockaddr_storage *ret)
{
    (void)stage;
    *ret = datagram.local.storage;
    return datagram.bound_length;
}

static const struct stage_ops ops = {.name = "datagram",
                                     .has_messages = true,
                                     .is_datagram = true,
                                     .open = start,
                                     .begin = begin,
                                     .take = take,
                                     .give = give,
                                     .has_more = has_more,
                                     .wrong = wrong,
                                     .local = local};

static bool asks(int fd, int level, int option)
{
    int on = 0;

    return getsockopt(fd, level, option, &on, &(socklen_t){sizeof(on)}) == 0 && on;
}

struct stage *datagram_stage(const struct datagram_settings *settings)
{
    datagram.settings = *settings;
    datagram.bound_length = sizeof(datagram.bound);
    (void)getsockname(settings->out, &datagram.bound.any, &datagram.bound_length);
    datagram.is_told = asks(settings->out, IPPROTO_IP, IP_PKTINFO) ||
                       asks(settings->out, IPPROTO_IPV6, IPV6_RECVPKTINFO);
    datagram.stage = (struct stage){.ops = &ops};
    return &datagram.stage;
}

// What came before anybody asked for it has only the address that was written on it, which may be
// one of many machines.
static void note_ipv4(const struct in_pktinfo *info)
{
    uint32_t written = ntohl(info->ipi_addr.s_addr);

    if (info->ipi_spec_dst.s_addr != 0)
        datagram.local.in.sin_addr = info->ipi_spec_dst;
    else if (written < INADDR_UNSPEC_GROUP)
        datagram.local.in.sin_addr = info->ipi_addr;
}

static void note_ipv6(const struct in6_pktinfo *info)
{
    if (IN6_IS_ADDR_MULTICAST(&info->ipi6_addr))
        return; // nothing is sent from there
    datagram.local.in6.sin6_addr = info->ipi6_addr;
    if (IN6_IS_ADDR_LINKLOCAL(&info->ipi6_addr))
        datagram.local.in6.sin6_scope_id = info->ipi6_ifindex;
}

// Our address, as the peer wrote it on the datagram.
static void note_local(struct msghdr *message)
{
    datagram.local = datagram.bound;
    for (struct cmsghdr *control = CMSG_FIRSTHDR(message); control;
         control = CMSG_NXTHDR(message, control)) {
        struct in_pktinfo v4;
        struct in6_pktinfo v6;

        if (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_PKTINFO &&
            datagram.bound.any.sa_family == AF_INET) {
            memcpy(&v4, CMSG_DATA(control), sizeof(v4));
            note_ipv4(&v4);
        } else if (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_PKTINFO) {
            memcpy(&v6, CMSG_DATA(control), sizeof(v6));
            note_ipv6(&v6);
        }
    }
}

// Nobody's message, of no bytes, comes from a socket that somebody has shut down, for ever.
static bool is_shut(int listener)
{
    struct pollfd end = {.fd = listener, .events = POLLRDHUP};

    return poll(&end, 1, 0) > 0 && (end.revents & POLLRDHUP) != 0;
}

static ssize_t receive_told(int listener, socklen_t *ret_length)
{
    union control control;
    struct iovec bytes = {.iov_base = in, .iov_len = sizeof(in)};
    struct msghdr message = {.msg_name = &datagram.peer,
                             .msg_namelen = sizeof(datagram.peer),
                             .msg_iov = &bytes,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    ssize_t n = recvmsg(listener, &message, MSG_TRUNC | MSG_CMSG_CLOEXEC);

    if (n >= 0)
        note_local(&message);
    *ret_length = message.msg_namelen;
    return n;
}

// As from a unix socket, where control data would be descriptors, which nobody has asked for.
static ssize_t receive_plain(int listener, socklen_t *ret_length)
{
    *ret_length = sizeof(datagram.peer);
    datagram.local = datagram.bound;
    return recvfrom(listener, in, sizeof(in), MSG_TRUNC, &datagram.peer.any, ret_length);
}

static int receive(int listener)
{
    socklen_t length = 0;
    ssize_t n = (datagram.is_told ? receive_told : receive_plain)(listener, &length);

    if (n < 0)
        return -1;
    if (length == 0 && n == 0 && is_shut(listener)) {
        errno = EINVAL; // as of a listener
        return -1;
    }
    if (length == 0) { // a unix socket without a name
        datagram.peer.any.sa_family = AF_UNIX;
        length = A_SENDER;
    }
    datagram.peer_length = length;
    datagram.is_cut = (size_t)n > sizeof(in);
    datagram.n = datagram.is_cut ? sizeof(in) : (size_t)n;
    return 0;
}

// An idle worker has no use for a large one's memory.
static void give_back_memory(void)
{
    if (datagram.n > IN_KEPT)
        (void)madvise(in, sizeof(in), MADV_DONTNEED);
    datagram.n = 0;
}

int datagram_receive(int listener, struct sockaddr_storage *ret_peer, socklen_t *ret_length)
{
    struct datagram_ends both = ends();

    give_back_memory();
    do
        if (receive(listener) < 0)
            return -1;
    while (count(datagram_judge_source(&datagram.settings.rules, &both)) != DATAGRAM_GOOD);
    *ret_peer = datagram.peer.storage;
    *ret_length = datagram.peer_length;
    return 0;
}
