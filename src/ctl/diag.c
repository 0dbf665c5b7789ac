// SPDX-License-Identifier: MIT
// One question for each family, whose answer comes in many messages.

#include "ctl/diag.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h> // libc's struct tcp_info is older
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/base.h"

#define ANSWER_MAX (64 * 1024)
#define ANSWER_SEC 5
#define TIME_WAIT  6 // of the kernel's states,
#define SYN_RECV   3
#define LISTEN     10
#define ALL_STATES 0xfffU
#define SEQUENCE   1

struct question {
    struct nlmsghdr header;
    struct inet_diag_req_v2 request;
};

static void set_end(struct diag_end *ret, int family, const uint32_t ip[4], uint16_t port)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

    ret->port = ntohs(port);
    if (family == AF_INET6) {
        memcpy(ret->ip, ip, sizeof(ret->ip));
        return;
    }
    memcpy(ret->ip, mapped, sizeof(mapped));
    memcpy(ret->ip + sizeof(mapped), ip, 4);
}

// An older kernel's is shorter; what it does not have is 0.
static void take_info(struct diag_socket *socket, const void *data, size_t size)
{
    struct tcp_info info = {0};

    memcpy(&info, data, size < sizeof(info) ? size : sizeof(info));
    socket->has_info = true;
    socket->rtt_usec = info.tcpi_rtt;
    socket->resent = info.tcpi_total_retrans;
    socket->quiet_ms = info.tcpi_last_ack_recv;
    socket->waiting_ms = info.tcpi_last_data_sent;
    socket->unsent = info.tcpi_notsent_bytes;
    socket->received = info.tcpi_bytes_received;
    socket->acknowledged = info.tcpi_bytes_acked;
}

bool diag_parse(const void *data, size_t size, struct diag_socket *ret)
{
    const char *attributes = data;
    struct inet_diag_msg message;

    *ret = (struct diag_socket){0};
    if (size < sizeof(message))
        return false;
    memcpy(&message, data, sizeof(message));
    if (message.idiag_family != AF_INET && message.idiag_family != AF_INET6)
        return false;
    set_end(&ret->local, message.idiag_family, message.id.idiag_src, message.id.idiag_sport);
    set_end(&ret->remote, message.idiag_family, message.id.idiag_dst, message.id.idiag_dport);
    ret->state = message.idiag_state;
    ret->inode = message.idiag_inode;
    ret->recv_q = message.idiag_rqueue;
    ret->send_q = message.idiag_wqueue;
    for (size_t at = NLMSG_ALIGN(sizeof(message)); at + sizeof(struct rtattr) <= size;) {
        struct rtattr attribute;

        memcpy(&attribute, attributes + at, sizeof(attribute));
        if (attribute.rta_len < sizeof(attribute) || attribute.rta_len > size - at)
            break;
        if (attribute.rta_type == INET_DIAG_INFO)
            take_info(ret, attributes + at + sizeof(attribute),
                      attribute.rta_len - sizeof(attribute));
        at += RTA_ALIGN(attribute.rta_len);
    }
    return true;
}

static int ask(int fd, int family)
{
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    struct question question = {
        .header = {.nlmsg_len = sizeof(question),
                   .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
                   .nlmsg_seq = SEQUENCE},
        .request = {.sdiag_family = (uint8_t)family,
                    .sdiag_protocol = IPPROTO_TCP,
                    .idiag_ext = 1 << (INET_DIAG_INFO - 1),
                    .idiag_states = ALL_STATES &
                                    ~(1U << TIME_WAIT | 1U << SYN_RECV | 1U << LISTEN)},
    };

    return sendto(fd, &question, sizeof(question), 0, (const struct sockaddr *)&kernel,
                  sizeof(kernel)) < 0
               ? -errno
               : 0;
}

static int add(struct diag_sockets *sockets, size_t *room, const struct diag_socket *socket)
{
    if (sockets->n == *room) {
        size_t more = *room > 0 ? 2 * *room : 256;
        struct diag_socket *grown = reallocarray(sockets->sockets, more, sizeof(*grown));

        if (!grown)
            return -ENOMEM;
        sockets->sockets = grown;
        *room = more;
    }
    sockets->sockets[sockets->n++] = *socket;
    return 0;
}

// The messages of one datagram. 1: those were the last ones; 0; or -errno.
static int take(const char *answer, size_t size, struct diag_sockets *sockets, size_t *room)
{
    struct nlmsghdr header;
    int r = 0;

    for (size_t at = 0; r == 0 && at + sizeof(header) <= size;
         at += NLMSG_ALIGN(header.nlmsg_len)) {
        struct diag_socket socket;
        int error = 0;

        memcpy(&header, answer + at, sizeof(header));
        if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > size - at)
            return -EBADMSG;
        if (header.nlmsg_type == NLMSG_DONE)
            return 1;
        if (header.nlmsg_type == NLMSG_ERROR) {
            memcpy(&error, answer + at + sizeof(header),
                   header.nlmsg_len >= sizeof(header) + sizeof(error) ? sizeof(error) : 0);
            return error < 0 ? error : -EBADMSG;
        }
        if (header.nlmsg_type == SOCK_DIAG_BY_FAMILY &&
            diag_parse(answer + at + sizeof(header), header.nlmsg_len - sizeof(header), &socket))
            r = add(sockets, room, &socket);
    }
    return r;
}

static int read_answers(int fd, struct diag_sockets *sockets, size_t *room)
{
    cleanup_free char *answer = malloc(ANSWER_MAX);
    int r = answer ? 0 : -ENOMEM;

    while (r == 0) {
        ssize_t n = recv(fd, answer, ANSWER_MAX, 0);

        if (n > 0)
            r = take(answer, (size_t)n, sockets, room);
        else if (n == 0 || errno != EINTR)
            r = n == 0 ? -EBADMSG : -errno;
    }
    return r < 0 ? r : 0;
}

int diag_read(struct diag_sockets *ret)
{
    static const int families[] = {AF_INET, AF_INET6};
    const struct timeval patience = {.tv_sec = ANSWER_SEC};
    cleanup_close int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    size_t room = 0;
    int r = fd < 0 ? -errno : 0;

    *ret = (struct diag_sockets){0};
    if (r == 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
        r = -errno;
    for (size_t i = 0; r == 0 && i < ELEMENTS(families); i++) {
        r = ask(fd, families[i]);
        if (r == 0)
            r = read_answers(fd, ret, &room);
        if (r == -ENOENT && families[i] == AF_INET6)
            r = 0; // of a kernel without it
    }
    if (r < 0)
        diag_done(ret);
    return r;
}

void diag_done(struct diag_sockets *sockets)
{
    free(sockets->sockets);
    *sockets = (struct diag_sockets){0};
}
