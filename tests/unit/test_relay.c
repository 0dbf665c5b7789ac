// SPDX-License-Identifier: MIT
// relay.c, the bytes: all of them arrive at both ends in their order, whatever the sizes, whoever
// is slow and whoever ends first; with pipes and without. Its deadlines: test_relay_deadlines.c.

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

#include "relay_ends.h"

#define MIB (1024 * 1024)

static uint8_t texts[RELAY_ENDS][10 * MIB];

static void fill_texts(void)
{
    uint32_t x = 1;

    for (int i = 0; i < RELAY_ENDS; i++)
        for (size_t j = 0; j < sizeof(texts[i]); j++) {
            x = x * 1664525 + 1013904223;
            texts[i][j] = (uint8_t)(x >> 24);
        }
}

// Opens it while the process may have no pipe.
static void open_without_pipes(struct bench *bench, enum pair_kind kind)
{
    struct rlimit limit, none = {0};

    bench_open(bench, kind, (struct deadlines){0});
    relay_close(&bench->relay);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none.rlim_max = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    relay_open(&bench->relay, &bench->session, bench->far.server);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    check_number("a pipe", bench->relay.ways[RELAY_CLIENT].in, -1);
    check_number("a pipe", bench->relay.ways[RELAY_FAR].in, -1);
}

enum way_kind { WITH_PIPES, WITHOUT_PIPES, WAY_KINDS };

static void open_kind(struct bench *bench, enum pair_kind kind, enum way_kind ways)
{
    if (ways == WITHOUT_PIPES)
        open_without_pipes(bench, kind);
    else
        bench_open(bench, kind, (struct deadlines){0});
    check_true("pipes", (bench->relay.ways[RELAY_CLIENT].in >= 0) == (ways == WITH_PIPES));
}

static void for_each_kind(void (*check)(const char *row, enum pair_kind, enum way_kind, size_t),
                          const char *const *names, size_t stride, size_t n)
{
    for (int kind = 0; kind < PAIR_KINDS; kind++)
        for (int ways = 0; ways < WAY_KINDS; ways++)
            for (size_t i = 0; i < n; i++) {
                char row[120];
                const char *name = *(const char *const *)((const char *)names + i * stride);

                (void)snprintf(row, sizeof(row), "%s, %s, %s", pair_names[kind],
                               ways == WITH_PIPES ? "splice" : "copy", name);
                check(row, (enum pair_kind)kind, (enum way_kind)ways, i);
            }
}

#define FOR_EACH(check, table) \
    for_each_kind(check, &(table)[0].name, sizeof((table)[0]), ELEMENTS(table))

// --- Sizes, both ways at once ---

static const struct {
    const char *name;
    size_t n_up, n_down;
    unsigned client_ms, far_ms;
} sizes[] = {
    {"nothing", 0, 0, 0, 0},
    {"a byte", 1, 1, 0, 0},
    {"a byte up", 1, 0, 0, 0},
    {"a byte down", 0, 1, 0, 0},
    {"64 KiB less one", 64 * 1024 - 1, 64 * 1024 - 1, 0, 0},
    {"64 KiB", 64 * 1024, 64 * 1024, 0, 0},
    {"64 KiB and one", 64 * 1024 + 1, 64 * 1024 + 1, 0, 0},
    {"10 MiB", 10 * MIB, 10 * MIB, 0, 0},
    {"10 MiB, a slow client", 10 * MIB, 10 * MIB, 1, 0},
    {"10 MiB, a slow far end", 10 * MIB, 10 * MIB, 0, 1},
    {"10 MiB, both slow", 10 * MIB, 10 * MIB, 1, 1},
};

static void check_size(const char *row, enum pair_kind kind, enum way_kind ways, size_t i)
{
    struct bench bench;

    open_kind(&bench, kind, ways);
    bench_text(&bench, RELAY_CLIENT, texts[RELAY_CLIENT], sizes[i].n_up);
    bench_text(&bench, RELAY_FAR, texts[RELAY_FAR], sizes[i].n_down);
    bench.ends[RELAY_CLIENT].every_ms = sizes[i].client_ms;
    bench.ends[RELAY_CLIENT].piece = sizes[i].client_ms > 0 ? 77777 : 0;
    bench.ends[RELAY_FAR].every_ms = sizes[i].far_ms;
    bench.ends[RELAY_FAR].piece = sizes[i].far_ms > 0 ? 55555 : 0;
    bench_run(row, &bench);
    bench_drain(row, &bench);
    check_got(row, &bench, RELAY_CLIENT);
    check_got(row, &bench, RELAY_FAR);
    check_result(row, &bench, SESSION_OK);
    check_number(row, bench.session.bytes_in, sizes[i].n_up);
    check_number(row, bench.session.bytes_out, sizes[i].n_down);
    check_true(row, bench.session.peer_ended);
    check_number(row, bench.n_idle, 0);
    bench_close(&bench);
}

static void test_sizes(void **state)
{
    (void)state;
    FOR_EACH(check_size, sizes);
}

// Thousands of tiny pieces, of which a pipe holds few.
static void test_tiny_pieces(void **state)
{
    (void)state;
    for (int kind = 0; kind < PAIR_KINDS; kind++) {
        struct bench bench;

        bench_open(&bench, (enum pair_kind)kind, (struct deadlines){0});
        bench_text(&bench, RELAY_CLIENT, texts[0], 20000);
        bench_text(&bench, RELAY_FAR, texts[1], 20000);
        bench.ends[RELAY_CLIENT].piece = 3;
        for (size_t i = 0; i < 200; i++) // many before the relay looks
            end_send(&bench.ends[RELAY_CLIENT]);
        bench_run(pair_names[kind], &bench);
        bench_drain(pair_names[kind], &bench);
        check_got(pair_names[kind], &bench, RELAY_CLIENT);
        check_got(pair_names[kind], &bench, RELAY_FAR);
        check_number(pair_names[kind], bench.n_idle, 0);
        bench_close(&bench);
    }
}

// --- Who ends first ---

static const struct {
    const char *name;
    enum relay_end first;
    size_t n_first, n_last;
} orders[] = {
    {"the client first", RELAY_CLIENT, 300000, 500000},
    {"the client first, with nothing", RELAY_CLIENT, 0, 500000},
    {"the far end first", RELAY_FAR, 300000, 500000},
    {"the far end first, with nothing", RELAY_FAR, 0, 500000},
    {"the far end first, and nothing behind", RELAY_FAR, 500000, 0},
};

static void check_order(const char *row, enum pair_kind kind, enum way_kind ways, size_t i)
{
    enum relay_end first = orders[i].first;
    struct bench bench;

    open_kind(&bench, kind, ways);
    bench_text(&bench, first, texts[first], orders[i].n_first);
    bench_text(&bench, !first, texts[!first], orders[i].n_last);
    bench.ends[!first].sends_last = true;
    bench_run(row, &bench);
    bench_drain(row, &bench);
    check_got(row, &bench, RELAY_CLIENT);
    check_got(row, &bench, RELAY_FAR);
    check_result(row, &bench, SESSION_OK);
    check_number(row, bench.n_idle, 0);
    bench_close(&bench);
}

static void test_half_close(void **state)
{
    (void)state;
    FOR_EACH(check_order, orders);
}

// --- Ends that are gone ---

static void close_with_reset(int *fd)
{
    struct linger now = {.l_onoff = 1};

    (void)setsockopt(*fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    base_close_fd(fd);
    *fd = -1;
}

static const struct {
    const char *name;
    size_t n_up, n_down;
    bool client_ends; // its side, before the reset
    bool far_mute;
} resets[] = {
    {"while nothing happens", 0, 0, false, false},
    {"behind a byte", 1, 0, false, false},
    {"while the far end does not read", 4 * MIB, 0, false, true},
    {"while it does not read itself", 0, 4 * MIB, false, false},
    {"behind its end", 1, 0, true, false},
};

// A client that resets the connection ends the session, whatever the relay waits for.
static void check_reset(const char *row, enum pair_kind kind, enum way_kind ways, size_t i)
{
    struct bench bench;

    if (kind != PAIR_TCP)
        return;
    open_kind(&bench, kind, ways);
    bench_text(&bench, RELAY_CLIENT, texts[0], resets[i].n_up);
    bench_text(&bench, RELAY_FAR, texts[1], resets[i].n_down);
    bench.ends[RELAY_CLIENT].holds = !resets[i].client_ends;
    bench.ends[RELAY_CLIENT].is_mute = true;
    bench.ends[RELAY_FAR].holds = true;
    bench.ends[RELAY_FAR].is_mute = resets[i].far_mute;
    bench_turns(row, &bench, 50);
    close_with_reset(&bench.near.client);
    bench.ends[RELAY_CLIENT].fd = -1;
    bench_run(row, &bench);
    check_result(row, &bench, SESSION_RESET);
    check_true(row, bench.n_idle <= 1);
    bench_close(&bench);
}

static void test_reset(void **state)
{
    (void)state;
    FOR_EACH(check_reset, resets);
}

// A far end that closes its input does not end what it still sends; what the client sends behind
// that is read and dropped.
static void test_far_end_reads_no_more(void **state)
{
    (void)state;
    for (int kind = 0; kind < PAIR_KINDS; kind++) {
        const char *row = pair_names[kind];
        struct bench bench;

        bench_open(&bench, (enum pair_kind)kind, (struct deadlines){0});
        bench_text(&bench, RELAY_CLIENT, texts[0], 4 * MIB);
        bench_text(&bench, RELAY_FAR, texts[1], 3 * MIB);
        (void)shutdown(bench.far.client, SHUT_RD);
        bench.ends[RELAY_FAR].is_mute = true;
        bench_run(row, &bench);
        bench.ends[RELAY_FAR].has_ended = true;
        bench_drain(row, &bench);
        check_got(row, &bench, RELAY_CLIENT);
        check_result(row, &bench, SESSION_OK);
        check_number(row, bench.session.bytes_in, 4 * MIB);
        check_number(row, bench.n_idle, 0);
        bench_close(&bench);
    }
}

// One that dies with input unread resets the socket pair; what it had written is delivered.
static void test_far_end_dies(void **state)
{
    (void)state;
    for (int kind = 0; kind < PAIR_KINDS; kind++) {
        const char *row = pair_names[kind];
        struct bench bench;

        bench_open(&bench, (enum pair_kind)kind, (struct deadlines){0});
        bench_text(&bench, RELAY_CLIENT, texts[0], 100);
        bench_text(&bench, RELAY_FAR, texts[1], 50000);
        bench.ends[RELAY_CLIENT].is_mute = bench.ends[RELAY_FAR].is_mute = true;
        bench.ends[RELAY_FAR].holds = true;
        end_send(&bench.ends[RELAY_CLIENT]);
        check_true(row, !relay_step(&bench.relay, NULL));
        end_send(&bench.ends[RELAY_FAR]);
        close_with_reset(&bench.far.client);
        bench.ends[RELAY_FAR].fd = -1;
        bench.ends[RELAY_CLIENT].is_mute = false;
        bench_run(row, &bench);
        bench.ends[RELAY_FAR].has_ended = true;
        bench_drain(row, &bench);
        check_got(row, &bench, RELAY_CLIENT);
        check_result(row, &bench, SESSION_OK);
        bench_close(&bench);
    }
}

// While the far end reads nothing the relay waits for it alone, and does not wake up.
static void test_full_way(void **state)
{
    (void)state;
    for (int kind = 0; kind < PAIR_KINDS; kind++) {
        const char *row = pair_names[kind];
        struct pollfd fds[RELAY_ENDS];
        struct bench bench;

        bench_open(&bench, (enum pair_kind)kind, (struct deadlines){0});
        bench_text(&bench, RELAY_CLIENT, texts[0], sizeof(texts[0]));
        bench_text(&bench, RELAY_FAR, texts[1], 0);
        bench.ends[RELAY_FAR].is_mute = bench.ends[RELAY_FAR].holds = true;
        bench_turns(row, &bench, 200);
        relay_wants(&bench.relay, fds);
        check_number(row, fds[RELAY_CLIENT].events, 0);
        check_number(row, fds[RELAY_FAR].events, POLLIN | POLLOUT);
        check_number(row, poll(fds, RELAY_ENDS, 20), 0);
        bench.ends[RELAY_FAR].is_mute = bench.ends[RELAY_FAR].holds = false;
        bench_run(row, &bench);
        bench_drain(row, &bench);
        check_got(row, &bench, RELAY_FAR);
        check_number(row, bench.n_idle, 0);
        bench_close(&bench);
    }
}

// A unix client that has closed all of its socket hangs up for ever, which must not keep the
// relay awake.
static void test_hung_up(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench, PAIR_UNIX, (struct deadlines){0});
    bench_text(&bench, RELAY_CLIENT, texts[0], 100);
    bench_text(&bench, RELAY_FAR, texts[1], 0);
    bench.ends[RELAY_FAR].holds = true;
    end_send(&bench.ends[RELAY_CLIENT]);
    base_close_fd(&bench.near.client);
    bench.near.client = bench.ends[RELAY_CLIENT].fd = -1;
    bench_turns("hung up", &bench, 50);
    check_got("hung up", &bench, RELAY_FAR);
    check_number("hung up", bench.n_idle, 0);
    bench.ends[RELAY_FAR].holds = false;
    bench_run("hung up", &bench);
    check_result("hung up", &bench, SESSION_OK);
    bench_close(&bench);
}

// --- Urgent bytes: dropped, as by read(2), and never taken for the end ---

static const struct {
    const char *name, *text; // of which '!' is urgent
    bool by_steps;           // the relay looks behind each byte
} urgents[] = {
    {"in the middle", "abc!def", false},
    {"in the middle, byte by byte", "abc!def", true},
    {"first", "!abc", false},
    {"first, byte by byte", "!abc", true},
    {"last", "abc!", false},
    {"last, byte by byte", "abc!", true},
    {"alone", "!", false},
    {"several, byte by byte", "!a!b!c", true},
};

static void send_urgents(const char *row, struct bench *bench, const char *text, bool by_steps)
{
    for (; *text; text++) {
        check_number(row, send(bench->near.client, text, 1, *text == '!' ? MSG_OOB : 0), 1);
        if (by_steps)
            bench_turns(row, bench, 3);
    }
}

static void check_urgent(const char *row, enum pair_kind kind, enum way_kind ways, size_t i)
{
    char want[8] = "";
    struct bench bench;

    if (kind != PAIR_TCP)
        return;
    for (const char *text = urgents[i].text; *text; text++)
        if (*text != '!')
            strncat(want, text, 1);
    open_kind(&bench, kind, ways);
    bench_text(&bench, RELAY_CLIENT, want, strlen(want));
    bench_text(&bench, RELAY_FAR, texts[1], 10);
    bench.ends[RELAY_CLIENT].n_sent = strlen(want); // sent here
    bench.ends[RELAY_CLIENT].holds = true;
    bench.ends[RELAY_FAR].sends_last = true;
    send_urgents(row, &bench, urgents[i].text, urgents[i].by_steps);
    bench_turns(row, &bench, 20);
    check_true(row, !bench.ends[RELAY_FAR].has_ended);
    bench.ends[RELAY_CLIENT].holds = false;
    bench_run(row, &bench);
    bench_drain(row, &bench);
    check_got(row, &bench, RELAY_FAR);
    check_got(row, &bench, RELAY_CLIENT);
    check_true(row, bench.n_idle <= strlen(urgents[i].text));
    bench_close(&bench);
}

static void test_urgent(void **state)
{
    (void)state;
    FOR_EACH(check_urgent, urgents);
}

// --- The program's death ---

// What was written is delivered, though somebody else holds the socket and so there is no end.
static void check_finish(const char *row, enum pair_kind kind, enum way_kind ways, size_t i)
{
    struct bench bench;
    size_t n_sent;

    open_kind(&bench, kind, ways);
    bench_text(&bench, RELAY_CLIENT, texts[0], sizes[i].n_up);
    bench_text(&bench, RELAY_FAR, texts[1], sizes[i].n_down);
    bench.ends[RELAY_FAR].holds = true;
    end_send(&bench.ends[RELAY_FAR]);
    n_sent = bench.ends[RELAY_FAR].n_sent; // what the socket pair holds
    check_true(row, n_sent > 0 || sizes[i].n_down == 0);
    relay_finish(&bench.relay);
    check_result(row, &bench, SESSION_OK);
    check_number(row, bench.session.bytes_out, n_sent);
    while (!bench.ends[RELAY_CLIENT].has_ended)
        end_receive(&bench.ends[RELAY_CLIENT]);
    check_bytes(row, bench.ends[RELAY_CLIENT].got, bench.ends[RELAY_CLIENT].n_got, texts[1],
                n_sent);
    bench_close(&bench);
}

static void test_finish(void **state)
{
    (void)state;
    FOR_EACH(check_finish, sizes);
}

// --- Its own resources ---

static unsigned count_fds(void)
{
    unsigned n = 0;

    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static void test_close(void **state)
{
    unsigned before = count_fds();
    struct bench bench;

    (void)state;
    bench_open(&bench, PAIR_TCP, (struct deadlines){0});
    check_true("open", fcntl(bench.near.server, F_GETFL) & O_NONBLOCK);
    check_number("pipes", fcntl(bench.relay.ways[0].in, F_GETFD), FD_CLOEXEC);
    relay_close(&bench.relay);
    check_true("closed", !(fcntl(bench.near.server, F_GETFL) & O_NONBLOCK));
    pair_close(&bench.near);
    pair_close(&bench.far);
    check_number("descriptors", count_fds(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_tiny_pieces),
        cmocka_unit_test(test_half_close),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_far_end_reads_no_more),
        cmocka_unit_test(test_far_end_dies),
        cmocka_unit_test(test_full_way),
        cmocka_unit_test(test_hung_up),
        cmocka_unit_test(test_urgent),
        cmocka_unit_test(test_finish),
        cmocka_unit_test(test_close),
    };

    (void)signal(SIGPIPE, SIG_IGN); // as in workers; splice(2) has no flag for it
    fill_texts();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
