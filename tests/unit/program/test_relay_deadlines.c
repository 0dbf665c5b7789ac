// SPDX-License-Identifier: MIT
// relay.c, the clock: each deadline ends the session, not before its time, with the result that
// names it, whatever either end drips or swallows. Times are small and have much room upwards.

#include "relay_ends.h"

#define MS       USEC_PER_MSEC
#define NEVER_MS 1000000

static uint8_t text[4 * 1024 * 1024];

// What an end does: sends n bytes, one every_ms, and keeps its side open behind them.
struct drip {
    size_t n;
    unsigned every_ms;
};

static const struct {
    const char *name;
    struct deadlines deadlines;
    struct drip client, far;
    bool far_answers; // not before something has come
    bool client_ends; // its side, behind what it sends
    enum session_result want;
    uint64_t at_least_ms;
} waits[] = {
    {.name = "first byte",
     .deadlines = {.first_byte_usec = 50 * MS, .idle_usec = 5000 * MS},
     .want = SESSION_FIRST_BYTE_TIMEOUT,
     .at_least_ms = 50},
    {.name = "first byte, longer than idle",
     .deadlines = {.first_byte_usec = 100 * MS, .idle_usec = 20 * MS},
     .want = SESSION_FIRST_BYTE_TIMEOUT,
     .at_least_ms = 100},
    {.name = "first byte, behind a greeting",
     .deadlines = {.first_byte_usec = 60 * MS, .idle_usec = 5000 * MS},
     .far = {3, 30},
     .want = SESSION_FIRST_BYTE_TIMEOUT,
     .at_least_ms = 120},
    {.name = "idle alone, no first byte",
     .deadlines = {.idle_usec = 50 * MS, .session_usec = 150 * MS},
     .want = SESSION_TIMEOUT,
     .at_least_ms = 150},
    {.name = "idle behind an answer",
     .deadlines = {.first_byte_usec = 5000 * MS, .idle_usec = 50 * MS},
     .client = {1, 0},
     .far = {1, 0},
     .far_answers = true,
     .want = SESSION_IDLE_TIMEOUT,
     .at_least_ms = 50},
    {.name = "an answer that is owed",
     .deadlines = {.first_byte_usec = 20 * MS, .idle_usec = 20 * MS, .session_usec = 150 * MS},
     .client = {1, 0},
     .want = SESSION_TIMEOUT,
     .at_least_ms = 150},
    {.name = "owed again with each byte of the client",
     .deadlines = {.idle_usec = 40 * MS, .session_usec = 200 * MS},
     .client = {5, 10},
     .far = {1, 0},
     .want = SESSION_TIMEOUT,
     .at_least_ms = 200},
    {.name = "behind the client's end",
     .deadlines = {.first_byte_usec = 20 * MS, .idle_usec = 20 * MS, .session_usec = 150 * MS},
     .client_ends = true,
     .want = SESSION_TIMEOUT,
     .at_least_ms = 150},
    {.name = "behind the client's end and an answer",
     .deadlines = {.first_byte_usec = 20 * MS, .idle_usec = 20 * MS, .session_usec = 150 * MS},
     .client = {1, 0},
     .far = {1, 0},
     .far_answers = true,
     .client_ends = true,
     .want = SESSION_TIMEOUT,
     .at_least_ms = 150},
    {.name = "idle starts again with each byte of the far end",
     .deadlines = {.first_byte_usec = 5000 * MS, .idle_usec = 60 * MS},
     .client = {1, 0},
     .far = {5, 30},
     .want = SESSION_IDLE_TIMEOUT,
     .at_least_ms = 180},
    {.name = "session",
     .deadlines = {.session_usec = 50 * MS},
     .want = SESSION_TIMEOUT,
     .at_least_ms = 50},
    {.name = "session, whatever both drip",
     .deadlines = {.idle_usec = 60 * MS, .session_usec = 150 * MS},
     .client = {100, 10},
     .far = {100, 10},
     .want = SESSION_TIMEOUT,
     .at_least_ms = 150},
};

static void check_end(const char *row, const struct bench *bench, enum session_result want,
                      uint64_t at_least_ms, uint64_t at_most_ms)
{
    check_result(row, bench, want);
    check_elapsed(row, bench->session.started_usec, at_least_ms, at_most_ms);
    check_number(row, bench->n_idle, 0);
}

static void set_drip(struct bench *bench, enum relay_end from, const struct drip *drip)
{
    bench_text(bench, from, text, drip->n);
    bench->ends[from].piece = 1;
    bench->ends[from].every_ms = drip->every_ms;
    bench->ends[from].holds = true;
}

// True: the machine was late, and the row tells nothing.
static bool ends_late(const char *row, struct bench *bench, enum session_result want,
                      uint64_t at_least_ms, uint64_t at_most_ms)
{
    bool is_right;

    bench_run(row, bench);
    is_right = bench->session.result == want &&
               is_in_time(bench->session.started_usec, at_least_ms, at_most_ms);
    if (is_right || !bench_was_late(bench))
        return false;
    bench_close(bench);
    return true;
}

// False: to be tried again.
static bool check_wait(const char *row, enum pair_kind kind, size_t i)
{
    struct bench bench;

    bench_open(&bench, kind, waits[i].deadlines);
    set_drip(&bench, RELAY_CLIENT, &waits[i].client);
    set_drip(&bench, RELAY_FAR, &waits[i].far);
    bench.ends[RELAY_CLIENT].holds = !waits[i].client_ends;
    bench.ends[RELAY_FAR].answers = waits[i].far_answers;
    if (ends_late(row, &bench, waits[i].want, waits[i].at_least_ms,
                  waits[i].at_least_ms + SLACK_MS))
        return false;
    check_end(row, &bench, waits[i].want, waits[i].at_least_ms, waits[i].at_least_ms + SLACK_MS);
    bench_close(&bench);
    return true;
}

static void test_waits(void **state)
{
    (void)state;
    for (int kind = 0; kind < PAIR_KINDS; kind++)
        for (size_t i = 0; i < ELEMENTS(waits); i++) {
            char row[100];
            unsigned n_tries = 0;

            (void)snprintf(row, sizeof(row), "%s, %s", pair_names[kind], waits[i].name);
            while (!check_wait(row, (enum pair_kind)kind, i))
                count_try(row, &n_tries);
        }
}

static const struct {
    const char *name;
    struct deadlines deadlines;
    unsigned read_ms; // how often the client takes a little
    enum session_result want;
    uint64_t at_least_ms;
} sends[] = {
    {"send", {.send_usec = 50 * MS, .idle_usec = 5000 * MS}, NEVER_MS, SESSION_SEND_TIMEOUT, 50},
    {"send, longer than the others",
     {.first_byte_usec = 20 * MS, .idle_usec = 20 * MS, .send_usec = 100 * MS},
     NEVER_MS,
     SESSION_SEND_TIMEOUT,
     100},
    {"send, however little the client takes",
     {.send_usec = 100 * MS},
     20,
     SESSION_SEND_TIMEOUT,
     100},
    {"session before send",
     {.send_usec = 5000 * MS, .session_usec = 50 * MS},
     NEVER_MS,
     SESSION_TIMEOUT,
     50},
    {"without send, idle", {.idle_usec = 60 * MS}, NEVER_MS, SESSION_IDLE_TIMEOUT, 60},
};

// So that little lies in the kernel between the two.
static void make_narrow(const struct pair *pair)
{
    const int size = 16 * 1024;

    (void)setsockopt(pair->server, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    (void)setsockopt(pair->client, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

static void open_narrow(struct bench *bench, enum pair_kind kind, struct deadlines deadlines)
{
    bench_open(bench, kind, deadlines);
    make_narrow(&bench->near);
    bench_text(bench, RELAY_CLIENT, text, 1);
    bench_text(bench, RELAY_FAR, text, sizeof(text));
    bench->ends[RELAY_CLIENT].holds = true;
    bench->ends[RELAY_FAR].holds = true;
    bench->ends[RELAY_CLIENT].piece = 512;
}

// False: to be tried again.
static bool check_send(const char *row, enum pair_kind kind, size_t i)
{
    struct bench bench;

    open_narrow(&bench, kind, sends[i].deadlines);
    bench.ends[RELAY_CLIENT].every_ms = sends[i].read_ms;
    if (ends_late(row, &bench, sends[i].want, sends[i].at_least_ms,
                  sends[i].at_least_ms + SLACK_MS))
        return false;
    check_end(row, &bench, sends[i].want, sends[i].at_least_ms, sends[i].at_least_ms + SLACK_MS);
    check_true(row, bench.session.bytes_out < sizeof(text));
    bench_close(&bench);
    return true;
}

static void test_sends(void **state)
{
    (void)state;
    for (int kind = 0; kind < PAIR_KINDS; kind++)
        for (size_t i = 0; i < ELEMENTS(sends); i++) {
            char row[100];
            unsigned n_tries = 0;

            (void)snprintf(row, sizeof(row), "%s, %s", pair_names[kind], sends[i].name);
            while (!check_send(row, (enum pair_kind)kind, i))
                count_try(row, &n_tries);
        }
}

// A client that takes all, slowly, has send_timeout for each bufferful and not for the whole.
static bool check_slow_client(void)
{
    struct bench bench;

    open_narrow(&bench, PAIR_UNIX, (struct deadlines){.send_usec = 1500 * MS});
    bench.ends[RELAY_FAR].holds = bench.ends[RELAY_CLIENT].holds = false;
    bench.ends[RELAY_CLIENT].piece = 4096;
    bench.ends[RELAY_CLIENT].every_ms = 3;
    if (ends_late("slow", &bench, SESSION_OK, 2500, 25000))
        return false;
    check_result("slow", &bench, SESSION_OK);
    bench_drain("slow", &bench);
    check_got("slow", &bench, RELAY_CLIENT);
    check_elapsed("slow", bench.session.started_usec, 2500, 25000);
    bench_close(&bench);
    return true;
}

static void test_slow_client(void **state)
{
    unsigned n_tries = 0;

    (void)state;
    while (!check_slow_client())
        count_try("slow", &n_tries);
}

// A deadline that is over is found though nothing happens any more on either side.
static void test_both_ways_over(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench, PAIR_TCP,
               (struct deadlines){.idle_usec = 10 * MS, .session_usec = 100 * MS});
    bench_text(&bench, RELAY_CLIENT, text, 10);
    bench_text(&bench, RELAY_FAR, text, 10);
    bench_run("over", &bench);
    check_result("over", &bench, SESSION_OK);
    while (bench.session.result == SESSION_OK) // the program runs on
        check_true("over", bench_turn(&bench));
    check_end("over", &bench, SESSION_TIMEOUT, 100, 100 + LOOSE_MS);
    bench_close(&bench);
}

static const struct {
    const char *name;
    struct deadlines deadlines;
    enum session_result want;
} finishes[] = {
    {"send", {.send_usec = 50 * MS}, SESSION_SEND_TIMEOUT},
    {"session", {.send_usec = 5000 * MS, .session_usec = 50 * MS}, SESSION_TIMEOUT},
};

// What a dead program has written must be taken in time, too.
static void test_finish(void **state)
{
    (void)state;
    for (int kind = 0; kind < PAIR_KINDS; kind++)
        for (size_t i = 0; i < ELEMENTS(finishes); i++) {
            struct bench bench;

            open_narrow(&bench, (enum pair_kind)kind, finishes[i].deadlines);
            end_send(&bench.ends[RELAY_FAR]);
            relay_finish(&bench.relay);
            check_end(finishes[i].name, &bench, finishes[i].want, 50, 50 + LOOSE_MS);
            bench_close(&bench);
        }
}

// An end before any byte is held back for a moment, in which the caller may learn that the program
// has failed.
static void test_end_is_held(void **state)
{
    (void)state;
    for (int kind = 0; kind < PAIR_KINDS; kind++) {
        struct bench bench;
        const struct end *client = &bench.ends[RELAY_CLIENT];

        bench_open(&bench, (enum pair_kind)kind, (struct deadlines){0});
        bench_text(&bench, RELAY_FAR, text, 0);
        bench.ends[RELAY_CLIENT].holds = true;
        while (!client->has_ended)
            check_true(pair_names[kind], !bench_turn(&bench));
        check_elapsed(pair_names[kind], bench.session.started_usec, 100, 100 + LOOSE_MS);
        check_number(pair_names[kind], bench.n_idle, 0);
        bench_close(&bench);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waits),       cmocka_unit_test(test_sends),
        cmocka_unit_test(test_slow_client), cmocka_unit_test(test_both_ways_over),
        cmocka_unit_test(test_finish),      cmocka_unit_test(test_end_is_held),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
