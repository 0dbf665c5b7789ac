// SPDX-License-Identifier: MIT
// diag.c and kernel.c: answers of the kernel, also such as it does not give, and which connection
// belongs to whom. The last test asks the kernel itself.

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/rtnetlink.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "ctl/diag.h"
#include "ctl/kernel.h"
#include "pair.h"

// An answer with one attribute, whose first numbers are those of struct tcp_info.
struct answer {
    struct inet_diag_msg message;
    struct rtattr attribute;
    uint8_t info[256];
};

static struct answer make_answer(int family, size_t size)
{
    struct answer answer = {
        .message = {.idiag_family = (uint8_t)family,
                    .idiag_state = TCP_ESTABLISHED,
                    .idiag_rqueue = 3,
                    .idiag_wqueue = 4,
                    .idiag_inode = 5,
                    .id = {.idiag_sport = htons(7007), .idiag_dport = htons(40000)}},
        .attribute = {.rta_len = (unsigned short)(sizeof(struct rtattr) + size),
                      .rta_type = INET_DIAG_INFO},
    };

    answer.message.id.idiag_dst[0] = htonl(0xc0000207);
    memset(answer.info, 1, sizeof(answer.info));
    return answer;
}

static void test_parse(void **state)
{
    struct answer answer = make_answer(AF_INET, sizeof(answer.info));
    struct diag_socket socket;
    char text[128];

    (void)state;
    check_true("whole", diag_parse(&answer, sizeof(answer), &socket));
    check_text("its far end", kernel_format_end(&socket.remote, text, sizeof(text)),
               "192.0.2.7:40000");
    check_number("its port", socket.local.port, 7007);
    check_number("state", socket.state, TCP_ESTABLISHED);
    check_number("unread", socket.recv_q, 3);
    check_number("not acknowledged", socket.send_q, 4);
    check_number("inode", socket.inode, 5);
    check_true("more", socket.has_info);
    check_number("rtt", socket.rtt_usec, 0x01010101);
    check_number("received", socket.received, 0x0101010101010101);
    answer = make_answer(AF_INET6, sizeof(answer.info));
    check_true("IPv6", diag_parse(&answer, sizeof(answer), &socket));
    check_text("its far end", kernel_format_end(&socket.remote, text, sizeof(text)),
               "[c000:207::]:40000");
    answer = make_answer(AF_UNIX, sizeof(answer.info));
    check_true("another family", !diag_parse(&answer, sizeof(answer), &socket));
}

// Cut anywhere, and with lengths that are none: what is there is told, and nothing else is read.
static void test_cut(void **state)
{
    struct answer answer = make_answer(AF_INET, sizeof(answer.info));
    struct diag_socket socket;

    (void)state;
    for (size_t size = 0; size <= sizeof(answer); size++) {
        void *copy = malloc(size); // so that a sanitizer sees what lies behind it

        memcpy(copy, &answer, size);
        check_number("a head", diag_parse(copy, size, &socket), size >= sizeof(answer.message));
        check_number("more", socket.has_info, size == sizeof(answer));
        free(copy);
    }
    for (unsigned length = 0; length <= UINT16_MAX; length += length < 300 ? 1 : 997) {
        answer.attribute.rta_len = (unsigned short)length;
        check_true("a wrong length", diag_parse(&answer, sizeof(answer), &socket));
    }
    for (unsigned size = 0; size < 100; size++) {
        answer = make_answer(AF_INET, size);
        check_true("an older kernel's", diag_parse(&answer, sizeof(answer), &socket));
        check_true("more", socket.has_info);
    }
    check_number("what it does not have", socket.received, 0);
}

static struct diag_socket make_socket(const char *local, const char *remote, uint16_t port,
                                      uint32_t inode, uint8_t state)
{
    struct diag_socket socket = {.inode = inode, .state = state};
    const struct {
        const char *ip;
        struct diag_end *end;
    } ends[] = {{local, &socket.local}, {remote, &socket.remote}};

    for (size_t i = 0; i < ELEMENTS(ends); i++) {
        char text[64];

        (void)snprintf(text, sizeof(text), "%s%s",
                       strchr(ends[i].ip, ':') ? "" : "::ffff:", ends[i].ip);
        assert_int_equal(inet_pton(AF_INET6, text, ends[i].end->ip), 1);
    }
    socket.local.port = 7007;
    socket.remote.port = port;
    return socket;
}

// In this order.
enum { OF_1, OF_2, OF_V6, WAITS_1, WAITS_2, WAITS_V6, CLOSED, OTHERS, SOCKETS };

static void make_kernel(struct kernel *kernel)
{
    struct diag_sockets all = {.sockets = calloc(SOCKETS, sizeof(struct diag_socket)),
                               .n = SOCKETS};
    struct diag_socket *to = all.sockets;

    to[OF_1] = make_socket("127.0.0.1", "192.0.2.7", 40000, 11, TCP_ESTABLISHED);
    to[OF_2] = make_socket("127.0.0.2", "192.0.2.7", 40000, 12, TCP_ESTABLISHED);
    to[OF_V6] = make_socket("::1", "2001:db8::7", 40000, 13, TCP_CLOSE_WAIT);
    to[WAITS_1] = make_socket("127.0.0.1", "192.0.2.8", 1, 0, TCP_ESTABLISHED);
    to[WAITS_2] = make_socket("127.0.0.2", "192.0.2.8", 2, 0, TCP_CLOSE_WAIT);
    to[WAITS_V6] = make_socket("::1", "2001:db8::8", 3, 0, TCP_ESTABLISHED);
    to[CLOSED] = make_socket("127.0.0.1", "192.0.2.8", 4, 0, TCP_FIN_WAIT2);
    to[OTHERS] = make_socket("127.0.0.1", "192.0.2.8", 5, 0, TCP_ESTABLISHED);
    to[OTHERS].local.port = 7008;
    to[WAITS_2].waiting_ms = 100;
    kernel_open(kernel, &all);
}

static const struct {
    const char *listener, *peer, *through;
    uint32_t inode; // 0: there is none
} rows[] = {
    {"127.0.0.1:7007", "192.0.2.7:40000", "", 11},
    {"127.0.0.2:7007", "192.0.2.7:40000", "", 12},
    {"tls:127.0.0.2:7007", "192.0.2.7:40000", "", 12},
    {"[::1]:7007", "[2001:db8::7]:40000", "", 13},
    {"*:7007", "[2001:db8::7]:40000", "", 13},
    {"ws:[::]:7007", "[2001:db8::7]:40000", "", 13},
    {"*:7007", "203.0.113.1:5", "[2001:db8::7]:40000", 13},
    {"0.0.0.0:7007", "[2001:db8::7]:40000", "", 0},
    {"[::]:7007", "192.0.2.7:40000", "", 0},
    {"127.0.0.3:7007", "192.0.2.7:40000", "", 0},
    {"127.0.0.1:7008", "192.0.2.7:40000", "", 0},
    {"127.0.0.1:7007", "192.0.2.7:40001", "", 0},
    {"127.0.0.1:7007", "192.0.2.0:0", "", 0}, // masked
    {"127.0.0.1:7007", "-", "", 0},
    {"127.0.0.1:7007", "", "", 0},
    {"unix:/run/x", "unix:", "", 0},
    {"udp:127.0.0.1:7007", "192.0.2.7:40000", "", 0},
    {"", "192.0.2.7:40000", "", 0},
    {"127.0.0.1:7007", "[:40000", "", 0},
    {"127.0.0.1:7007", "192.0.2.7:99999", "", 0},
};

static void test_find(void **state)
{
    struct kernel kernel, none = {0};

    (void)state;
    make_kernel(&kernel);
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        const struct session_row row = {
            .listener = rows[i].listener, .peer = rows[i].peer, .through = rows[i].through};
        const struct diag_socket *found = kernel_find(&kernel, &row);
        char name[128];

        (void)snprintf(name, sizeof(name), "%s of %s", rows[i].peer, rows[i].listener);
        check_number(name, found ? found->inode : 0, rows[i].inode);
        check_true(name, !kernel_find(&none, &row));
    }
    kernel_close(&kernel);
}

// The ports of those who wait at each listener, who waits longest first.
static const struct {
    const char *listener;
    uint16_t want[4];
} queues[] = {
    {"127.0.0.1:7007", {1}},  {"tls:127.0.0.2:7007", {2}}, {"*:7007", {2, 1, 3}},
    {"0.0.0.0:7007", {2, 1}}, {"[::]:7007", {3}},          {"[::1]:7007", {3}},
    {"127.0.0.1:7008", {5}},  {"unix:/run/x", {0}},        {"udp:127.0.0.1:7007", {0}},
};

static void test_waiting(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(queues); i++) {
        const char *row = queues[i].listener;
        struct kernel kernel;
        size_t n = 0;

        make_kernel(&kernel);
        check_number(row, kernel_add_waiting(&kernel, "echo", row), 0);
        kernel_sort_waiting(&kernel);
        for (; queues[i].want[n] != 0; n++) {
            check_true(row, n < kernel.n_waiting);
            check_number(row, kernel.waiting[n].socket->remote.port, queues[i].want[n]);
            check_text(row, kernel.waiting[n].listener, row);
        }
        check_number(row, kernel.n_waiting, n);
        kernel_close(&kernel);
    }
}

// A connection that was accepted, with bytes that were not read; and one that was not.
static void test_asked(void **state)
{
    struct pair pair = pair_open(PAIR_TCP);
    struct sockaddr_in near, far;
    socklen_t length = sizeof(near);
    char listener[64], peer[64];
    struct session_row row = {.listener = listener, .peer = peer, .through = ""};
    const struct diag_socket *found;
    struct diag_sockets all;
    struct kernel kernel;
    struct stat stat;

    (void)state;
    assert_int_equal(getsockname(pair.server, (struct sockaddr *)&near, &length), 0);
    assert_int_equal(getpeername(pair.server, (struct sockaddr *)&far, &length), 0);
    (void)snprintf(listener, sizeof(listener), "127.0.0.1:%u", ntohs(near.sin_port));
    (void)snprintf(peer, sizeof(peer), "127.0.0.1:%u", ntohs(far.sin_port));
    assert_int_equal(send(pair.client, "hello", 5, 0), 5);
    check_number("asked", diag_read(&all), 0);
    kernel_open(&kernel, &all);
    found = kernel_find(&kernel, &row);
    check_true("found", found != NULL);
    assert_int_equal(fstat(pair.server, &stat), 0);
    check_number("inode", found->inode, stat.st_ino);
    check_number("state", found->state, TCP_ESTABLISHED);
    check_number("unread", found->recv_q, 5);
    check_true("more", found->has_info && found->rtt_usec > 0);
    check_number("received", found->received, 5);
    kernel_close(&kernel);
    pair_close(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),   cmocka_unit_test(test_cut),   cmocka_unit_test(test_find),
        cmocka_unit_test(test_waiting), cmocka_unit_test(test_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
