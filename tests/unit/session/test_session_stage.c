// SPDX-License-Identifier: MIT
// session_stage.c: deadlines count until a stage has a byte for the handler, or has given all of
// one's, however often it comes to the socket; borders of messages; last words.

#include <errno.h>

#include "pair.h"
#include "peer.h"
#include "session/session.h"

#define MS      USEC_PER_MSEC
#define N_DRIPS 150 // longer than any test may take

// A stage as a test wants it.
static struct {
    struct stage stage;
    bool swallows;            // what comes: nothing reaches the handler
    bool has_messages;        // of one byte for each that comes; 'e' is an empty one
    uint64_t wake_usec;       // first turn
    unsigned n_turns;         // of calls to take after that
    enum stage_ending ending; // as it was told
    unsigned n_ends;          // how often
} fake;

static void start(struct stage *stage)
{
    (void)stage;
}

static ssize_t take(struct stage *stage, void *data, size_t size, int flags, bool *ret_last)
{
    ssize_t n;

    if (base_now_usec() >= fake.wake_usec) {
        fake.n_turns++;
        fake.wake_usec = base_now_usec() + 20 * MS;
    }
    *ret_last = false;
    do
        n = stage->below.take(stage->below.cookie, data, fake.has_messages ? 1 : size, flags);
    while (n > 0 && fake.swallows);
    if (n > 0 && fake.has_messages) {
        *ret_last = *(char *)data != 'p'; // a part
        return *(char *)data != 'e';
    }
    return n;
}

// Gives a byte at a time.
static ssize_t give(struct stage *stage, const void *data, size_t size, int flags, bool is_last)
{
    (void)is_last;
    if (size == 0)
        return 0;
    return stage->below.give(stage->below.cookie, data, 1, flags);
}

static int end(struct stage *stage, enum stage_ending ending, int flags)
{
    (void)flags;
    (void)stage;
    fake.ending = ending;
    fake.n_ends++;
    return 0;
}

static uint64_t wake_usec(const struct stage *stage)
{
    (void)stage;
    return fake.wake_usec;
}

static const struct stage_ops stream_ops = {
    .name = "fake", .open = start, .take = take, .give = give, .end = end, .wake_usec = wake_usec};
static const struct stage_ops message_ops = {.name = "fake",
                                             .has_messages = true,
                                             .open = start,
                                             .take = take,
                                             .give = give,
                                             .end = end,
                                             .wake_usec = wake_usec};

static void open_session(struct tcpd_session *session, int fd, const struct service *service)
{
    fake.stage = (struct stage){.ops = fake.has_messages ? &message_ops : &stream_ops,
                                .below = session_socket(session)};
    session->stage = &fake.stage;
    session_init(session, fd, service);
}

static const struct {
    const char *name;
    struct deadlines deadlines;
    unsigned n_drips, drip_ms;
    uint64_t wake_ms; // 0: never
    enum session_result want;
    uint64_t at_least_ms;
} reads[] = {
    {"drips, first byte",
     {.first_byte_usec = 120 * MS},
     40,
     20,
     0,
     SESSION_FIRST_BYTE_TIMEOUT,
     120},
    {"drips, session", {.session_usec = 120 * MS}, N_DRIPS, 20, 0, SESSION_TIMEOUT, 120},
    {"silence, turns", {.first_byte_usec = 150 * MS}, 0, 0, 10, SESSION_FIRST_BYTE_TIMEOUT, 150},
    {"drips, turns",
     {.first_byte_usec = 150 * MS},
     N_DRIPS,
     20,
     10,
     SESSION_FIRST_BYTE_TIMEOUT,
     150},
};

static void test_reading_is_bounded(void **state)
{
    static char drips[N_DRIPS];

    (void)state;
    for (size_t i = 0; i < ELEMENTS(reads); i++) {
        const struct service service = {.deadlines = reads[i].deadlines};
        struct pair pair = pair_open(PAIR_TCP);
        struct tcpd_session session = {.fd = -1};
        struct peer peer = {.fd = pair.client,
                            .text = drips,
                            .n_text = reads[i].n_drips,
                            .piece = 1,
                            .send_pause_ms = reads[i].drip_ms};
        uint64_t begin = base_now_usec(), turn = reads[i].wake_ms * MS;
        char byte;

        memset(&fake, 0, sizeof(fake));
        fake.swallows = true;
        fake.wake_usec = turn > 0 ? begin + turn : USEC_NEVER;
        open_session(&session, pair.server, &service);
        peer_start(&peer);
        check_number(reads[i].name, tcpd_read(&session, &byte, 1), -1);
        check_text(reads[i].name, session_result_names[session.result],
                   session_result_names[reads[i].want]);
        check_elapsed(reads[i].name, begin, reads[i].at_least_ms, reads[i].at_least_ms + LOOSE_MS);
        check_true(reads[i].name, turn == 0 ? fake.n_turns == 0 : fake.n_turns >= 1);
        (void)shutdown(pair.server, SHUT_RDWR);
        peer_join(&peer);
        free(peer.got);
        pair_close(&pair);
    }
}

static void test_writing_is_bounded(void **state)
{
    static const struct deadlines rows[] = {{.send_usec = 100 * MS}, {.session_usec = 100 * MS}};
    static uint8_t much[4 << 20];

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        const char *row = rows[i].send_usec > 0 ? "send" : "session";
        const struct service service = {.deadlines = rows[i]};
        struct pair pair = pair_open(PAIR_UNIX);
        struct tcpd_session session = {.fd = -1};
        uint64_t begin = base_now_usec();

        memset(&fake, 0, sizeof(fake));
        fake.wake_usec = USEC_NEVER;
        open_session(&session, pair.server, &service);
        check_number(row, tcpd_write(&session, much, sizeof(much)), -1);
        check_number(row, session.result, i == 0 ? SESSION_SEND_TIMEOUT : SESSION_TIMEOUT);
        check_elapsed(row, begin, 100, 100 + LOOSE_MS);
        check_true(row, session.bytes_out > 0 && session.bytes_out < sizeof(much));
        pair_close(&pair);
    }
}

static void test_messages_have_borders(void **state)
{
    static const struct {
        char byte;
        int want;
        size_t n;
    } parts[] = {{'a', TCPD_LAST, 1},
                 {'p', TCPD_PART, 1},
                 {'b', TCPD_LAST, 1},
                 {'e', TCPD_LAST, 0},
                 {'c', TCPD_LAST, 1}};
    const struct service service = {.deadlines = {.idle_usec = 5000 * MS}};
    struct pair pair = pair_open(PAIR_TCP);
    struct tcpd_session session = {.fd = -1};
    char byte;
    size_t n;

    (void)state;
    memset(&fake, 0, sizeof(fake));
    fake.has_messages = true;
    fake.wake_usec = USEC_NEVER;
    open_session(&session, pair.server, &service);
    check_number("kind", tcpd_kind(&session), TCPD_MESSAGES);
    for (size_t i = 0; i < ELEMENTS(parts); i++)
        check_number("sent", send(pair.client, &parts[i].byte, 1, 0), 1);
    check_number("sent", send(pair.client, "eez", 3, 0), 3);
    for (size_t i = 0; i < ELEMENTS(parts); i++) {
        const char row[2] = {parts[i].byte};

        check_number(row, tcpd_read_part(&session, &byte, 1, &n), parts[i].want);
        check_number(row, n, parts[i].n);
    }
    check_number("empty ones are skipped", tcpd_read(&session, &byte, 1), 1);
    check_number("empty ones are skipped", byte, 'z');
    (void)shutdown(pair.client, SHUT_WR);
    check_number("end", tcpd_read_part(&session, &byte, 1, &n), 0);
    pair_close(&pair);
}

static void test_a_stream_has_whole_parts(void **state)
{
    const struct service service = {.deadlines = {.idle_usec = 5000 * MS}};
    struct pair pair = pair_open(PAIR_TCP);
    struct tcpd_session session = {.fd = -1};
    char bytes[8];
    size_t n;

    (void)state;
    session_init(&session, pair.server, &service);
    check_number("kind", tcpd_kind(&session), TCPD_STREAMS);
    check_number("sent", send(pair.client, "abc", 3, 0), 3);
    check_number("part", tcpd_read_part(&session, bytes, sizeof(bytes), &n), TCPD_LAST);
    check_number("part", n, 3);
    check_number("write", tcpd_write_part(&session, "xy", 2, false), 0);
    check_number("written", recv(pair.client, bytes, sizeof(bytes), 0), 2);
    (void)shutdown(pair.client, SHUT_WR);
    check_number("end", tcpd_read_part(&session, bytes, sizeof(bytes), &n), 0);
    pair_close(&pair);
}

static void test_last_words(void **state)
{
    static const struct {
        enum session_result result;
        bool says;
        enum stage_ending want;
    } rows[] = {
        {SESSION_OK, true, STAGE_DONE},
        {SESSION_FIRST_BYTE_TIMEOUT, true, STAGE_LATE},
        {SESSION_IDLE_TIMEOUT, true, STAGE_LATE},
        {SESSION_SEND_TIMEOUT, false, STAGE_DONE},
        {SESSION_TIMEOUT, true, STAGE_LATE},
        {SESSION_RESET, false, STAGE_DONE},
        {SESSION_PEER_LOST, false, STAGE_DONE},
        {SESSION_PROTOCOL_ERROR, true, STAGE_BROKEN},
        {SESSION_FAILED, true, STAGE_FAILED},
        {SESSION_PROGRAM_TIMEOUT, true, STAGE_LATE},
        {SESSION_PROGRAM_FAILED, true, STAGE_FAILED},
        {SESSION_STOPPED, true, STAGE_STOPPED},
        {SESSION_HANDSHAKE_TIMEOUT, true, STAGE_LATE},
        {SESSION_REFUSED, true, STAGE_BROKEN},
        {SESSION_TLS_FAILED, true, STAGE_BROKEN},
        {SESSION_KICKED, false, STAGE_DONE},
    };

    (void)state;
    check_number("a row for each", ELEMENTS(rows), SESSION_RESULTS);
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        const char *row = session_result_names[rows[i].result];
        const struct service service = {.deadlines = {.idle_usec = 5000 * MS}};
        struct pair pair = pair_open(PAIR_TCP);
        struct tcpd_session session = {.fd = -1};

        memset(&fake, 0, sizeof(fake));
        fake.wake_usec = USEC_NEVER;
        open_session(&session, pair.server, &service);
        if (rows[i].result != SESSION_OK)
            session_stop(&session, rows[i].result);
        (void)shutdown(pair.client, SHUT_WR);
        session_close(&session);
        check_number(row, fake.n_ends, rows[i].says);
        check_number(row, fake.ending, rows[i].want);
        base_close_fd(&pair.client);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reading_is_bounded),       cmocka_unit_test(test_writing_is_bounded),
        cmocka_unit_test(test_messages_have_borders),    cmocka_unit_test(test_last_words),
        cmocka_unit_test(test_a_stream_has_whole_parts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
