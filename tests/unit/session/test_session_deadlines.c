// SPDX-License-Identifier: MIT
// session.c, the clock: each deadline ends what it bounds, not before its time, with the result
// that names it, whatever the peer drips or swallows. Times are small and have much room upwards.

#include <errno.h>

#include "pair.h"
#include "peer.h"
#include "session/session.h"

#define MS USEC_PER_MSEC

static const struct {
    const char *name;
    struct deadlines deadlines;
    unsigned n_drips, drip_ms; // what the peer sends, and when
    bool by_message;
    enum session_result want;
    uint64_t at_least_ms;
} reads[] = {
    {"first byte",
     {.first_byte_usec = 50 * MS, .idle_usec = 5000 * MS},
     0,
     0,
     false,
     SESSION_FIRST_BYTE_TIMEOUT,
     50},
    {"first byte, longer than idle",
     {.first_byte_usec = 100 * MS, .idle_usec = 20 * MS},
     0,
     0,
     false,
     SESSION_FIRST_BYTE_TIMEOUT,
     100},
    {"idle alone, no first byte",
     {.idle_usec = 50 * MS, .session_usec = 150 * MS},
     0,
     0,
     false,
     SESSION_TIMEOUT,
     150},
    {"idle behind a byte",
     {.first_byte_usec = 5000 * MS, .idle_usec = 50 * MS},
     1,
     0,
     false,
     SESSION_IDLE_TIMEOUT,
     50},
    {"idle, shorter wait armed before",
     {.first_byte_usec = 30 * MS, .idle_usec = 100 * MS},
     1,
     0,
     false,
     SESSION_IDLE_TIMEOUT,
     100},
    {"idle, not a multiple of the wait before",
     {.first_byte_usec = 35 * MS, .idle_usec = 80 * MS},
     1,
     5,
     false,
     SESSION_IDLE_TIMEOUT,
     85},
    {"idle starts again with each byte",
     {.idle_usec = 60 * MS},
     5,
     30,
     false,
     SESSION_IDLE_TIMEOUT,
     210},
    {"idle for a whole message", {.idle_usec = 120 * MS}, 20, 30, true, SESSION_IDLE_TIMEOUT, 120},
    {"session", {.session_usec = 50 * MS}, 0, 0, false, SESSION_TIMEOUT, 50},
    {"session, whatever the peer drips",
     {.idle_usec = 60 * MS, .session_usec = 150 * MS},
     20,
     20,
     false,
     SESSION_TIMEOUT,
     150},
    {"session before first byte",
     {.first_byte_usec = 5000 * MS, .session_usec = 50 * MS},
     0,
     0,
     false,
     SESSION_TIMEOUT,
     50},
    {"first byte before session",
     {.first_byte_usec = 50 * MS, .session_usec = 5000 * MS},
     0,
     0,
     false,
     SESSION_FIRST_BYTE_TIMEOUT,
     50},
};

// What is checked of a session that has ended itself, after its peer was let go.
static void check_end(const char *row, const struct tcpd_session *session, uint64_t took_usec,
                      enum session_result want, uint64_t at_least_ms, uint64_t at_most_ms)
{
    if (session->result != want)
        fail_msg("%s: \"%s\", not \"%s\"", row, session_result_names[session->result],
                 session_result_names[want]);
    check_elapsed(row, base_now_usec() - took_usec, at_least_ms, at_most_ms);
}

// Reads until the session ends by itself, over TCP by discarding. False: the peer was late.
static bool check_read(const char *row, size_t i, enum pair_kind kind)
{
    const struct service service = {.deadlines = reads[i].deadlines};
    struct pair pair = pair_open(kind);
    struct tcpd_session session = {.fd = -1};
    struct peer peer = {.fd = pair.client,
                        .text = "01234567890123456789",
                        .n_text = reads[i].n_drips,
                        .piece = 1,
                        .send_pause_ms = reads[i].drip_ms};
    uint64_t start = base_now_usec(), took;
    uint8_t buffer[100];
    ssize_t n;

    session_init(&session, pair.server, &service);
    if (reads[i].by_message)
        tcpd_expect_message(&session);
    peer_start(&peer);
    do
        n = kind == PAIR_UNIX ? tcpd_read(&session, buffer, sizeof(buffer))
                              : tcpd_discard(&session);
    while (n > 0);
    took = base_now_usec() - start;
    (void)shutdown(pair.server, SHUT_RDWR);
    peer_join(&peer);
    free(peer.got);
    if ((session.result != reads[i].want ||
         !is_in_time(base_now_usec() - took, reads[i].at_least_ms,
                     reads[i].at_least_ms + SLACK_MS)) &&
        peer_was_late(&peer)) {
        pair_close(&pair);
        return false;
    }
    check_number(row, n, -1);
    check_number(row, tcpd_write(&session, "x", 1), -1);
    check_end(row, &session, took, reads[i].want, reads[i].at_least_ms,
              reads[i].at_least_ms + SLACK_MS);
    pair_close(&pair);
    return true;
}

static void test_read(void **state)
{
    (void)state;
    for (int kind = 0; kind < PAIR_KINDS; kind++)
        for (size_t i = 0; i < ELEMENTS(reads); i++) {
            char row[80];
            unsigned n_tries = 0;

            (void)snprintf(row, sizeof(row), "%s, %s", pair_names[kind], reads[i].name);
            while (!check_read(row, i, (enum pair_kind)kind))
                count_try(row, &n_tries);
        }
}

static const struct {
    const char *name;
    struct deadlines deadlines;
    unsigned read_pause_ms; // of a peer that takes 32 KiB each time; 0: it takes nothing
    enum session_result want;
    uint64_t at_least_ms;
} writes[] = {
    {"send", {.send_usec = 50 * MS}, 0, SESSION_SEND_TIMEOUT, 50},
    {"send before session",
     {.send_usec = 50 * MS, .session_usec = 5000 * MS},
     0,
     SESSION_SEND_TIMEOUT,
     50},
    {"session", {.session_usec = 50 * MS}, 0, SESSION_TIMEOUT, 50},
    {"session before send",
     {.send_usec = 5000 * MS, .session_usec = 50 * MS},
     0,
     SESSION_TIMEOUT,
     50},
    {"send, however little the peer takes",
     {.send_usec = 150 * MS},
     100,
     SESSION_SEND_TIMEOUT,
     150},
    {"session, however little the peer takes",
     {.session_usec = 150 * MS},
     100,
     SESSION_TIMEOUT,
     150},
};

// So that little lies in the kernel between the two.
static void make_narrow(const struct pair *pair)
{
    const int size = 32 * 1024;

    (void)setsockopt(pair->server, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    (void)setsockopt(pair->client, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

static void check_write(const char *row, size_t i, enum pair_kind kind)
{
    static const uint8_t text[2 * 1024 * 1024];
    const struct service service = {.deadlines = writes[i].deadlines};
    struct pair pair = pair_open(kind);
    struct tcpd_session session = {.fd = -1};
    struct peer peer = {.fd = pair.client,
                        .read_piece = 32 * UINT64_C(1024),
                        .read_pause_ms = writes[i].read_pause_ms};
    bool reading = writes[i].read_pause_ms > 0;
    uint64_t took;
    int r;

    make_narrow(&pair);
    session.peer.any.sa_family = kind == PAIR_UNIX ? AF_UNIX : AF_INET; // as accept4() leaves it
    session_init(&session, pair.server, &service);
    if (reading)
        peer_start(&peer);
    r = tcpd_write(&session, text, sizeof(text));
    took = base_now_usec() - session.started_usec;
    (void)shutdown(pair.server, SHUT_RDWR);
    if (reading)
        peer_join(&peer);
    free(peer.got);
    check_number(row, r, -1);
    check_true(row, session.bytes_out < sizeof(text));
    check_end(row, &session, took, writes[i].want, writes[i].at_least_ms,
              writes[i].at_least_ms + LOOSE_MS);
    pair_close(&pair);
}

static void test_write(void **state)
{
    (void)state;
    for (int kind = 0; kind < PAIR_KINDS; kind++)
        for (size_t i = 0; i < ELEMENTS(writes); i++) {
            char row[80];

            (void)snprintf(row, sizeof(row), "%s, %s", pair_names[kind], writes[i].name);
            check_write(row, i, (enum pair_kind)kind);
        }
}

// A peer that did not take the answer gets a reset at the end, not two seconds of patience.
static void test_send_timeout_resets(void **state)
{
    static const uint8_t text[2 * 1024 * 1024];
    const struct service service = {.deadlines = {.send_usec = 20 * MS}};
    struct pair pair = pair_open(PAIR_TCP);
    struct tcpd_session session = {.fd = -1};
    struct peer peer = {.fd = pair.client};
    uint64_t start;

    (void)state;
    make_narrow(&pair);
    session_init(&session, pair.server, &service);
    check_number("write", tcpd_write(&session, text, sizeof(text)), -1);
    start = base_now_usec();
    session_close(&session);
    check_elapsed("close", start, 0, LOOSE_MS);
    peer_start(&peer);
    peer_join(&peer);
    check_number("the peer's end", peer.error, ECONNRESET);
    free(peer.got);
    base_close_fd(&pair.client);
}

// A full buffer of small writes is bounded, too.
static void test_small_writes(void **state)
{
    static const uint8_t text[4096];
    const struct service service = {.deadlines = {.send_usec = 50 * MS}};

    (void)state;
    for (int kind = 0; kind < PAIR_KINDS; kind++) {
        struct pair pair = pair_open((enum pair_kind)kind);
        struct tcpd_session session = {.fd = -1};
        uint64_t start = 0;
        int r = 0;

        session_init(&session, pair.server, &service);
        while (r == 0 && session.bytes_out < UINT64_C(64) * 1024 * 1024) {
            start = base_now_usec();
            r = tcpd_write(&session, text, sizeof(text));
        }
        check_number(pair_names[kind], r, -1);
        check_elapsed(pair_names[kind], start, 50, 50 + LOOSE_MS);
        check_number(pair_names[kind], session.result, SESSION_SEND_TIMEOUT);
        pair_close(&pair);
    }
}

static const struct {
    const char *name;
    uint64_t session_ms, pause_ms;
    int want;
    enum session_result result;
    uint64_t at_least_ms;
} pauses[] = {
    {"no deadline", 0, 30, 0, SESSION_OK, 30},
    {"nothing to wait for", 0, 0, 0, SESSION_OK, 0},
    {"a later deadline", 5000, 30, 0, SESSION_OK, 30},
    {"an earlier deadline", 30, 5000, -1, SESSION_TIMEOUT, 30},
};

static void test_pause(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(pauses); i++) {
        const struct service service = {.deadlines = {.session_usec = pauses[i].session_ms * MS}};
        struct tcpd_session session = {.fd = -1};

        session_init(&session, -1, &service);
        check_number(pauses[i].name, tcpd_pause(&session, pauses[i].pause_ms * MS), pauses[i].want);
        check_elapsed(pauses[i].name, session.started_usec, pauses[i].at_least_ms,
                      pauses[i].at_least_ms + LOOSE_MS);
        check_number(pauses[i].name, session.result, pauses[i].result);
    }
}

// Each message has idle_timeout for itself. False: the peer was late, or we were.
static bool check_messages(void)
{
    const struct service service = {.deadlines = {.idle_usec = 100 * MS}};
    struct pair pair = pair_open(PAIR_TCP);
    struct tcpd_session session = {.fd = -1};
    struct peer peer = {
        .fd = pair.client, .text = "0123456789", .n_text = 10, .piece = 1, .send_pause_ms = 60};
    uint8_t byte;
    int n_messages = 0;

    session_init(&session, pair.server, &service);
    peer_start(&peer);
    for (; n_messages < 6; n_messages++) {
        tcpd_expect_message(&session);
        if (tcpd_read(&session, &byte, 1) != 1)
            break;
    }
    if (n_messages == 6 && tcpd_read(&session, &byte, 1) < 0) { // the last is of two bytes
        check_number("its second byte is too late", session.result, SESSION_IDLE_TIMEOUT);
        n_messages++;
    }
    (void)shutdown(pair.server, SHUT_RDWR);
    peer_join(&peer);
    free(peer.got);
    pair_close(&pair);
    if (n_messages < 6 && !peer_was_late(&peer))
        fail_msg("%d messages, not 6", n_messages);
    return n_messages == 7;
}

static void test_messages(void **state)
{
    unsigned n_tries = 0;

    (void)state;
    while (!check_messages())
        count_try("messages", &n_tries);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_write),
        cmocka_unit_test(test_send_timeout_resets),
        cmocka_unit_test(test_small_writes),
        cmocka_unit_test(test_pause),
        cmocka_unit_test(test_messages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
