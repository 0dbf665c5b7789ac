// SPDX-License-Identifier: MIT
// session.c: reading, writing, dropping and closing, over unix sockets and over TCP. Deadlines are
// test_session_deadlines.c's.

#include <errno.h>

#include "pair.h"
#include "peer.h"
#include "session/session.h"

#define MEGABYTE (1024 * 1024)

static const struct service service = {.name = (char *)(uintptr_t) "test"};

static struct tcpd_session session_of(const struct pair *pair)
{
    struct tcpd_session session = {.fd = -1};

    session_init(&session, pair->server, &service);
    return session;
}

// Bytes that differ from those a few places before.
static uint8_t *make_text(size_t n)
{
    uint8_t *text = malloc(n);

    for (size_t i = 0; text && i < n; i++)
        text[i] = (uint8_t)(i ^ i >> 8 ^ i >> 16);
    assert_non_null(text);
    return text;
}

static void check_reads(const char *row, enum pair_kind kind)
{
    static const struct {
        size_t size, want;
    } reads[] = {{1, 1}, {3, 3}, {100, 6}};
    struct pair pair = pair_open(kind);
    struct tcpd_session session = session_of(&pair);
    uint8_t buffer[100];

    check_number(row, send(pair.client, "0123456789", 10, 0), 10);
    for (size_t i = 0, done = 0; i < ELEMENTS(reads); i++) {
        check_number(row, tcpd_read(&session, buffer, reads[i].size), reads[i].want);
        check_bytes(row, buffer, reads[i].want, &"0123456789"[done], reads[i].want);
        done += reads[i].want;
        check_number(row, session.bytes_in, done);
    }
    check_true(row, !session.peer_ended);
    check_number(row, shutdown(pair.client, SHUT_WR), 0);
    check_number(row, tcpd_read(&session, buffer, sizeof(buffer)), 0);
    check_true(row, session.peer_ended);
    check_number(row, session.result, SESSION_OK);
    check_number(row, session.bytes_in, 10);

    // Half-closed: the other direction is open.
    check_number(row, tcpd_write(&session, "answer", 6), 0);
    check_number(row, session.bytes_out, 6);
    check_number(row, recv(pair.client, buffer, sizeof(buffer), 0), 6);
    check_bytes(row, buffer, 6, "answer", 6);
    session_close(&session);
    check_number(row, session.fd, -1);
    pair.server = -1;
    check_number(row, recv(pair.client, buffer, sizeof(buffer), 0), 0);
    pair_close(&pair);
}

static void test_read(void **state)
{
    (void)state;
    for (int kind = 0; kind < PAIR_KINDS; kind++)
        check_reads(pair_names[kind], (enum pair_kind)kind);
}

static const struct {
    const char *name;
    size_t size;
    size_t read_piece;
    unsigned read_pause_ms;
} writes[] = {
    {"nothing", 0, 0, 0},
    {"a byte", 1, 0, 0},
    {"the most that is sent at once", 16 * 1024, 0, 0},
    {"a byte more", 16 * 1024 + 1, 0, 0},
    {"64 KiB", 64 * 1024, 0, 0},
    {"1 MB to a reader who pauses", MEGABYTE, 16 * 1024, 2},
    {"1 MB to a fast reader", MEGABYTE, 0, 0},
    {"64 KiB in small reads", 64 * 1024, 500, 0},
};

static void test_write(void **state)
{
    cleanup_free uint8_t *text = make_text(MEGABYTE);

    (void)state;
    for (int kind = 0; kind < PAIR_KINDS; kind++)
        for (size_t i = 0; i < ELEMENTS(writes); i++) {
            struct pair pair = pair_open((enum pair_kind)kind);
            struct tcpd_session session = session_of(&pair);
            struct peer peer = {.fd = pair.client,
                                .half_close = true,
                                .read_piece = writes[i].read_piece,
                                .read_pause_ms = writes[i].read_pause_ms};
            char row[80];

            (void)snprintf(row, sizeof(row), "%s, %s", pair_names[kind], writes[i].name);
            peer_start(&peer);
            check_number(row, tcpd_write(&session, text, writes[i].size), 0);
            check_number(row, session.bytes_out, writes[i].size);
            check_number(row, session.result, SESSION_OK);
            session_close(&session);
            peer_join(&peer);
            check_number(row, peer.error, 0);
            check_bytes(row, peer.got, peer.n_got, text, writes[i].size);
            free(peer.got);
            base_close_fd(&pair.client);
        }
}

// Many small writes while the kernel's room is full now and then.
static void test_write_often(void **state)
{
    cleanup_free uint8_t *text = make_text(MEGABYTE);

    (void)state;
    for (int kind = 0; kind < PAIR_KINDS; kind++) {
        struct pair pair = pair_open((enum pair_kind)kind);
        struct tcpd_session session = session_of(&pair);
        struct peer peer = {
            .fd = pair.client, .half_close = true, .read_piece = 64 * 1024, .read_pause_ms = 5};

        peer_start(&peer);
        for (size_t done = 0, n; done < MEGABYTE; done += n) {
            n = 1 + done % 15000;
            n = n < MEGABYTE - done ? n : MEGABYTE - done;
            check_number(pair_names[kind], tcpd_write(&session, text + done, n), 0);
        }
        session_close(&session);
        peer_join(&peer);
        check_bytes(pair_names[kind], peer.got, peer.n_got, text, MEGABYTE);
        free(peer.got);
        base_close_fd(&pair.client);
    }
}

static void test_discard(void **state)
{
    cleanup_free uint8_t *text = make_text(MEGABYTE);

    (void)state;
    for (int kind = 0; kind < PAIR_KINDS; kind++) {
        struct pair pair = pair_open((enum pair_kind)kind);
        struct tcpd_session session = session_of(&pair);
        struct peer peer = {
            .fd = pair.client, .text = text, .n_text = MEGABYTE, .half_close = true};
        ssize_t n;

        peer_start(&peer);
        while ((n = tcpd_discard(&session)) > 0)
            check_true(pair_names[kind], n <= TCPD_BUFFER_SIZE);
        check_number(pair_names[kind], n, 0);
        check_number(pair_names[kind], session.bytes_in, MEGABYTE);
        check_true(pair_names[kind], session.peer_ended);
        session_close(&session);
        peer_join(&peer);
        check_number(pair_names[kind], peer.n_got, 0);
        free(peer.got);
        base_close_fd(&pair.client);
    }
}

static void test_discard_pending(void **state)
{
    (void)state;
    for (int kind = 0; kind < PAIR_KINDS; kind++) {
        const char *row = pair_names[kind];
        struct pair pair = pair_open((enum pair_kind)kind);
        struct tcpd_session session = session_of(&pair);

        check_true(row, !tcpd_discard_pending(&session));
        check_number(row, session.bytes_in, 0);
        check_number(row, send(pair.client, "abc", 3, 0), 3);
        check_true(row, !tcpd_discard_pending(&session));
        check_number(row, session.bytes_in, 3);
        check_number(row, send(pair.client, "d", 1, 0), 1);
        (void)shutdown(pair.client, SHUT_WR);
        check_true(row, tcpd_discard_pending(&session));
        check_number(row, session.bytes_in, 4);
        check_true(row, session.peer_ended);
        check_number(row, session.result, SESSION_OK);
        pair_close(&pair);
    }
}

// The answer arrives whole although input was never read; a plain close() would destroy it (B17).
static void test_close_lingers(void **state)
{
    cleanup_free uint8_t *text = make_text(MEGABYTE);

    (void)state;
    for (int kind = 0; kind < PAIR_KINDS; kind++)
        for (int round = 0; round < 10; round++) {
            struct pair pair = pair_open((enum pair_kind)kind);
            struct tcpd_session session = session_of(&pair);
            struct peer peer = {.fd = pair.client,
                                .text = text,
                                .n_text = 150000,
                                .half_close = round % 2 == 0,
                                .piece = 1000,
                                .read_piece = 100000,
                                .read_pause_ms = 1};

            peer_start(&peer);
            check_number(pair_names[kind], tcpd_write(&session, text, MEGABYTE), 0);
            session_stop(&session, SESSION_PROTOCOL_ERROR);
            session_close(&session);
            peer_join(&peer);
            check_number(pair_names[kind], peer.error, 0);
            check_bytes(pair_names[kind], peer.got, peer.n_got, text, MEGABYTE);
            free(peer.got);
            base_close_fd(&pair.client);
        }
}

// The session reads and writes after the peer has gone: it ends, without SIGPIPE, and stays ended.
static void test_reset(void **state)
{
    const struct linger reset = {.l_onoff = 1};
    uint8_t buffer[8];

    (void)state;
    for (int writing = 0; writing < 2; writing++) {
        const char *row = writing ? "writing" : "reading";
        struct pair pair = pair_open(PAIR_TCP);
        struct tcpd_session session = session_of(&pair);

        check_number(row, setsockopt(pair.client, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
        base_close_fd(&pair.client);
        pair.client = -1;
        if (writing)
            check_number(row, tcpd_write(&session, "x", 1), -1);
        else
            check_number(row, tcpd_read(&session, buffer, sizeof(buffer)), -1);
        check_number(row, session.result, SESSION_RESET);
        check_number(row, tcpd_read(&session, buffer, sizeof(buffer)), -1);
        check_number(row, tcpd_discard(&session), -1);
        check_number(row, tcpd_write(&session, "x", 1), -1);
        check_number(row, session.bytes_in + session.bytes_out, 0);
        session_close(&session);
    }
}

static void test_peer_closed_unix(void **state)
{
    static uint8_t text[64 * 1024];

    (void)state;
    for (size_t size = 1; size <= sizeof(text); size += sizeof(text) - 1) {
        struct pair pair = pair_open(PAIR_UNIX);
        struct tcpd_session session = session_of(&pair);

        base_close_fd(&pair.client);
        check_number("write", tcpd_write(&session, text, size), -1);
        check_number("write", session.result, SESSION_RESET);
        check_number("write", session.bytes_out, 0);
        session_close(&session);
    }
}

static void test_stop(void **state)
{
    struct pair pair = pair_open(PAIR_UNIX);
    struct tcpd_session session = session_of(&pair);
    uint8_t buffer[8];

    (void)state;
    check_number("send", send(pair.client, "abc", 3, 0), 3);
    session_stop(&session, SESSION_PROTOCOL_ERROR);
    session_stop(&session, SESSION_IDLE_TIMEOUT);
    check_number("the first result stays", session.result, SESSION_PROTOCOL_ERROR);
    check_number("no reading", tcpd_read(&session, buffer, sizeof(buffer)), -1);
    check_number("no writing", tcpd_write(&session, "x", 1), -1);
    check_number("not a byte", recv(pair.client, buffer, sizeof(buffer), MSG_DONTWAIT), -1);
    check_number("nothing counted", session.bytes_in + session.bytes_out, 0);
    pair_close(&pair);
}

static void test_names(void **state)
{
    (void)state;
    for (int i = 0; i < SESSION_RESULTS; i++)
        for (int k = 0; k <= i; k++) {
            check_true("a name for each", session_result_names[i] && session_result_names[i][0]);
            check_true("each its own",
                       k == i || strcmp(session_result_names[i], session_result_names[k]) != 0);
        }
}

// A peer that neither sends nor closes holds nobody up: its socket is kept aside.
static void test_close_of_silent_peer(void **state)
{
    struct pair pair = pair_open(PAIR_TCP);
    struct tcpd_session session = {.fd = -1};
    uint64_t start = base_now_usec();
    uint8_t byte;

    (void)state;
    session_init(&session, pair.server, &service);
    check_number("write", tcpd_write(&session, "x", 1), 0);
    session_close(&session);
    check_elapsed("close", start, 0, LOOSE_MS);
    check_number("the answer", recv(pair.client, &byte, 1, 0), 1);
    check_number("and the end", recv(pair.client, &byte, 1, 0), 0);
    base_close_fd(&pair.client);
}

// No time is lost on a peer whose end was read.
static void test_close_after_end(void **state)
{
    uint8_t byte;

    (void)state;
    for (int kind = 0; kind < PAIR_KINDS; kind++) {
        struct pair pair = pair_open((enum pair_kind)kind);
        struct tcpd_session session = {.fd = -1};
        uint64_t start = base_now_usec();

        (void)shutdown(pair.client, SHUT_WR);
        session_init(&session, pair.server, &service);
        check_number("end", tcpd_read(&session, &byte, 1), 0);
        session_close(&session);
        check_elapsed(pair_names[kind], start, 0, LOOSE_MS);
        base_close_fd(&pair.client);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_write),
        cmocka_unit_test(test_write_often),
        cmocka_unit_test(test_discard),
        cmocka_unit_test(test_discard_pending),
        cmocka_unit_test(test_close_lingers),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_peer_closed_unix),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_close_of_silent_peer),
        cmocka_unit_test(test_close_after_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
