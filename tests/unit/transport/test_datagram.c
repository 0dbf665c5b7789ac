// SPDX-License-Identifier: MIT
// datagram.c, over a socket of UDP: one message and then the end, answers in one piece or in parts.

#include "transport/datagram.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

#include "unit.h"

static struct datagram_losses losses;

struct ends {
    int server, client;
    struct stage *stage;
};

static struct ends ends_open(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    struct datagram_settings settings = {.rules.amplification = 3, .losses = &losses};
    struct ends ends = {.server = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0),
                        .client = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    int on = 1;

    assert_int_equal(bind(ends.server, (struct sockaddr *)&address, length), 0);
    assert_int_equal(getsockname(ends.server, (struct sockaddr *)&address, &length), 0);
    assert_int_equal(connect(ends.client, (struct sockaddr *)&address, length), 0);
    assert_int_equal(setsockopt(ends.server, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)), 0);
    settings.out = ends.server;
    ends.stage = datagram_stage(&settings);
    return ends;
}

static void ends_close(struct ends *ends)
{
    base_close_fd(&ends->server);
    base_close_fd(&ends->client);
}

// A datagram of the client's, as it comes to the session.
static void send_in(const struct ends *ends, const void *data, size_t size)
{
    struct sockaddr_storage peer;
    socklen_t length;

    assert_int_equal(send(ends->client, data, size, 0), size);
    assert_int_equal(datagram_receive(ends->server, &peer, &length), 0);
    assert_int_equal(peer.ss_family, AF_INET);
    stage_open(ends->stage);
    assert_int_equal(stage_begin(ends->stage, 0), 1);
}

static const struct {
    const char *name;
    size_t size, piece;
} rows[] = {
    {"nothing", 0, 10},   {"a byte", 1, 1},
    {"whole", 100, 100},  {"in a larger piece", 100, 200},
    {"in bytes", 100, 1}, {"the largest", 65507, 1000},
};

static uint8_t sent[DATAGRAM_MAX + 1], got[DATAGRAM_MAX + 1];

static void test_reading(void **state)
{
    struct ends ends = ends_open();
    bool is_last;

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        size_t n = 0;

        print_message("%s\n", rows[i].name);
        for (size_t k = 0; k < rows[i].size; k++)
            sent[k] = (uint8_t)(k * 7 + i);
        send_in(&ends, sent, rows[i].size);
        do {
            ssize_t r = ends.stage->ops->take(ends.stage, got + n, rows[i].piece, 0, &is_last);

            assert_true(r >= 0 && (size_t)r <= rows[i].piece);
            n += (size_t)r;
            assert_int_equal(is_last, n == rows[i].size);
        } while (!is_last);
        assert_memory_equal(got, sent, n);
        for (int k = 0; k < 2; k++) {
            assert_int_equal(ends.stage->ops->take(ends.stage, got, 10, 0, &is_last), 0);
            assert_false(is_last);
        }
    }
    ends_close(&ends);
}

static void test_writing(void **state)
{
    struct ends ends = ends_open();

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        size_t n = 0;
        bool is_last;

        print_message("%s\n", rows[i].name);
        send_in(&ends, "x", 1);
        do {
            size_t piece = rows[i].size - n < rows[i].piece ? rows[i].size - n : rows[i].piece;

            is_last = n + piece == rows[i].size;
            assert_int_equal(ends.stage->ops->give(ends.stage, sent + n, piece, 0, is_last), piece);
            n += piece;
        } while (!is_last);
        assert_int_equal(recv(ends.client, got, sizeof(got), MSG_DONTWAIT), rows[i].size);
        assert_memory_equal(got, sent, rows[i].size);
    }
    ends_close(&ends);
}

static void test_too_long_an_answer(void **state)
{
    struct ends ends = ends_open();
    const struct stage_ops *ops = ends.stage->ops;

    (void)state;
    send_in(&ends, "x", 1);
    assert_int_equal(ops->give(ends.stage, sent, 65508, 0, true), -1);
    assert_int_equal(errno, EMSGSIZE);
    assert_int_equal(ops->give(ends.stage, sent, DATAGRAM_MAX, 0, false), DATAGRAM_MAX);
    assert_int_equal(ops->give(ends.stage, sent, 1, 0, true), -1);
    assert_int_equal(errno, EMSGSIZE);
    ends_close(&ends);
}

// What was begun for one datagram is nothing to the next.
static void test_half_an_answer(void **state)
{
    struct ends ends = ends_open();

    (void)state;
    send_in(&ends, "x", 1);
    assert_int_equal(ends.stage->ops->give(ends.stage, "half", 4, 0, false), 4);
    send_in(&ends, "y", 1);
    assert_int_equal(ends.stage->ops->give(ends.stage, "whole", 5, 0, true), 5);
    assert_int_equal(recv(ends.client, got, sizeof(got), MSG_DONTWAIT), 5);
    ends_close(&ends);
}

// A handler that streams is stopped.
static void test_many_answers(void **state)
{
    struct ends ends = ends_open();
    uint64_t before = datagram_losses_read(&losses, DATAGRAM_TOO_MANY);

    (void)state;
    send_in(&ends, "x", 1);
    for (int i = 0; i < DATAGRAM_ANSWERS_MAX; i++)
        assert_int_equal(ends.stage->ops->give(ends.stage, "y", 1, 0, true), 1);
    assert_int_equal(ends.stage->ops->give(ends.stage, "y", 1, 0, true), -1);
    assert_int_equal(errno, ESHUTDOWN);
    assert_int_equal(datagram_losses_read(&losses, DATAGRAM_TOO_MANY), before + 1);
    ends_close(&ends);
}

static void test_shut(void **state)
{
    struct ends ends = ends_open();
    struct sockaddr_storage peer;
    socklen_t length;

    (void)state;
    (void)shutdown(ends.server, SHUT_RDWR); // says ENOTCONN, and does it
    assert_int_equal(datagram_receive(ends.server, &peer, &length), -1);
    assert_int_equal(errno, EINVAL);
    ends_close(&ends);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reading),
        cmocka_unit_test(test_writing),
        cmocka_unit_test(test_too_long_an_answer),
        cmocka_unit_test(test_half_an_answer),
        cmocka_unit_test(test_many_answers),
        cmocka_unit_test(test_shut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
