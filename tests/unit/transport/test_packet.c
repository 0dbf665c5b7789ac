// SPDX-License-Identifier: MIT
// packet.c, over a real SOCK_SEQPACKET pair: borders of messages both ways, whatever the pieces.

#include <errno.h>
#include <sys/socket.h>

#include "transport/packet.h"
#include "unit.h"

static uint8_t sent[PACKET_MAX + 2], got[PACKET_MAX + 2];

static ssize_t take(void *cookie, void *data, size_t size, int flags)
{
    return recv(*(int *)cookie, data, size, flags);
}

static ssize_t give(void *cookie, const void *data, size_t size, int flags)
{
    return send(*(int *)cookie, data, size, flags | MSG_NOSIGNAL);
}

struct ends {
    int server, client;
    struct stage *stage;
};

static struct ends ends_open(void)
{
    static int server;
    struct ends ends;
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
    server = ends.server = fds[0];
    ends.client = fds[1];
    ends.stage = packet_stage((struct stage_end){.take = take, .give = give, .cookie = &server});
    stage_open(ends.stage);
    return ends;
}

static void ends_close(struct ends *ends)
{
    base_close_fd(&ends->server);
    base_close_fd(&ends->client);
}

static const struct {
    const char *name;
    size_t size, piece;
} rows[] = {
    {"a byte", 1, 1},
    {"whole", 100, 100},
    {"in a larger piece", 100, 200},
    {"in bytes", 100, 1},
    {"in pieces that do not fit", 100, 33},
    {"the largest", PACKET_MAX, 1000},
};

static void test_reading(void **state)
{
    struct ends ends = ends_open();
    bool is_last;

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        size_t n = 0;

        check_number(rows[i].name, send(ends.client, sent, rows[i].size, 0), rows[i].size);
        check_number(rows[i].name, send(ends.client, "next", 4, 0), 4);
        do {
            ssize_t r = ends.stage->ops->take(ends.stage, got + n, rows[i].piece, 0, &is_last);

            check_true(rows[i].name, r > 0);
            n += (size_t)r;
            check_true(rows[i].name, stage_has_more(ends.stage) == !is_last);
        } while (!is_last);
        check_bytes(rows[i].name, got, n, sent, rows[i].size);
        check_number(rows[i].name, ends.stage->ops->take(ends.stage, got, 9, 0, &is_last), 4);
        check_true(rows[i].name, is_last);
    }
    check_number("nothing there", ends.stage->ops->take(ends.stage, got, 1, MSG_DONTWAIT, &is_last),
                 -1);
    check_number("nothing there", errno, EAGAIN);
    (void)shutdown(ends.client, SHUT_WR);
    check_number("the end", ends.stage->ops->take(ends.stage, got, 1, 0, &is_last), 0);
    check_true("the end", !is_last);
    ends_close(&ends);
}

static void test_too_long(void **state)
{
    struct ends ends = ends_open();
    bool is_last;

    (void)state;
    check_number("sent", send(ends.client, sent, PACKET_MAX + 1, 0), PACKET_MAX + 1);
    check_number("read", ends.stage->ops->take(ends.stage, got, 1, 0, &is_last), -1);
    check_number("read", errno, EPROTO);
    check_number("a part", ends.stage->ops->give(ends.stage, sent, PACKET_MAX, 0, false),
                 PACKET_MAX);
    check_number("one more", ends.stage->ops->give(ends.stage, sent, 1, 0, true), -1);
    check_number("one more", errno, EMSGSIZE);
    ends_close(&ends);
}

static void test_writing(void **state)
{
    struct ends ends = ends_open();

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        for (size_t n = 0, piece; n < rows[i].size; n += piece) {
            piece = rows[i].size - n < rows[i].piece ? rows[i].size - n : rows[i].piece;
            check_number(
                rows[i].name,
                ends.stage->ops->give(ends.stage, sent + n, piece, 0, n + piece == rows[i].size),
                piece);
        }
        check_number(rows[i].name, ends.stage->ops->give(ends.stage, "", 0, 0, true), 0);
        check_number(rows[i].name, recv(ends.client, got, sizeof(got), 0), rows[i].size);
        check_bytes(rows[i].name, got, rows[i].size, sent, rows[i].size);
    }
    check_number("no empty one", recv(ends.client, got, 1, MSG_DONTWAIT), -1);
    ends_close(&ends);
}

// What found no room is given again, and arrives once.
static void test_no_room(void **state)
{
    struct ends ends = ends_open();
    size_t n = 0, n_got = 0;

    (void)state;
    while (ends.stage->ops->give(ends.stage, sent, 10000, MSG_DONTWAIT, true) > 0)
        n++;
    check_number("full", errno, EAGAIN);
    check_number("still", ends.stage->ops->give(ends.stage, sent, 10000, MSG_DONTWAIT, true), -1);
    check_number("room", recv(ends.client, got, sizeof(got), 0), 10000);
    check_number("again", ends.stage->ops->give(ends.stage, sent, 10000, MSG_DONTWAIT, true),
                 10000);
    while (recv(ends.client, got, sizeof(got), MSG_DONTWAIT) == 10000)
        n_got++;
    check_number("each once", n_got, n);
    ends_close(&ends);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reading),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_writing),
        cmocka_unit_test(test_no_room),
    };

    for (size_t i = 0; i < sizeof(sent); i++)
        sent[i] = (uint8_t)(i * 7 + i / 251);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
