// SPDX-License-Identifier: MIT
// relay.c, the bytes: all of them arrive at both ends in their order, whatever the sizes, whoever
// is slow and whoever ends first. Its deadlines: test_relay_deadlines.c.

#include <fcntl.h>

#include "relay_kinds.h"

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
    {"128 KiB", 128 * 1024, 128 * 1024, 0, 0},
    {"128 KiB and one", 128 * 1024 + 1, 128 * 1024 + 1, 0, 0},
    {"10 MiB", 10 * MIB, 10 * MIB, 0, 0},
    {"10 MiB, a slow client", 10 * MIB, 10 * MIB, 1, 0},
    {"10 MiB, a slow far end", 10 * MIB, 10 * MIB, 0, 1},
    {"10 MiB, both slow", 10 * MIB, 10 * MIB, 1, 1},
};

static void check_size(const char *row, enum pair_kind kind, size_t i)
{
    struct bench bench;

    bench_open(&bench, kind, (struct deadlines){0});
    bench_text(&bench, RELAY_CLIENT, texts[RELAY_CLIENT], sizes[i].n_up);
    bench_text(&bench, RELAY_FAR, texts[RELAY_FAR], sizes[i].n_down);
    bench.ends[RELAY_CLIENT].every_ms = sizes[i].client_ms;
    bench.ends[RELAY_CLIENT].piece = sizes[i].client_ms > 0 ? 77777 : 0;
    bench.ends[RELAY_FAR].every_ms = sizes[i].far_ms;
    bench.ends[RELAY_FAR].piece = sizes[i].far_ms > 0 ? 55555 : 0;
    bench_run(row, &bench);
    check_result(row, &bench, SESSION_OK);
    bench_drain(row, &bench);
    check_got(row, &bench, RELAY_CLIENT);
    check_got(row, &bench, RELAY_FAR);
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

// Thousands of tiny pieces.
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

static void check_order(const char *row, enum pair_kind kind, size_t i)
{
    enum relay_end first = orders[i].first;
    struct bench bench;

    bench_open(&bench, kind, (struct deadlines){0});
    bench_text(&bench, first, texts[first], orders[i].n_first);
    bench_text(&bench, !first, texts[!first], orders[i].n_last);
    bench.ends[!first].sends_last = true;
    bench_run(row, &bench);
    check_result(row, &bench, SESSION_OK);
    bench_drain(row, &bench);
    check_got(row, &bench, RELAY_CLIENT);
    check_got(row, &bench, RELAY_FAR);
    check_number(row, bench.n_idle, 0);
    bench_close(&bench);
}

static void test_half_close(void **state)
{
    (void)state;
    FOR_EACH(check_order, orders);
}

// --- The program's death ---

// What was written is delivered, though somebody else holds the socket and so there is no end.
static void check_finish(const char *row, enum pair_kind kind, size_t i)
{
    struct bench bench;
    size_t n_sent;

    bench_open(&bench, kind, (struct deadlines){0});
    bench_text(&bench, RELAY_CLIENT, texts[0], sizes[i].n_up);
    bench_text(&bench, RELAY_FAR, texts[1], sizes[i].n_down);
    bench.ends[RELAY_FAR].holds = true;
    end_send(&bench.ends[RELAY_FAR]);
    n_sent = bench.ends[RELAY_FAR].n_sent; // what the socket pair holds
    check_true(row, n_sent > 0 || sizes[i].n_down == 0);
    relay_finish(&bench.relay);
    check_result(row, &bench, SESSION_OK);
    relay_end(&bench.relay);
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
    relay_close(&bench.relay);
    check_true("closed", !(fcntl(bench.near.server, F_GETFL) & O_NONBLOCK));
    pair_close(&bench.near);
    pair_close(&bench.far);
    check_number("descriptors", count_fds(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),      cmocka_unit_test(test_tiny_pieces),
        cmocka_unit_test(test_half_close), cmocka_unit_test(test_finish),
        cmocka_unit_test(test_close),
    };

    return run_relay_tests(tests, ELEMENTS(tests));
}
