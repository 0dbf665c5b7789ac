// SPDX-License-Identifier: MIT
// rates.c: what two looks at the counters tell, as tables; which pools are shown, in which order.

#include "view/rates.h"

#include <string.h>

#include "unit.h"

#define SEC USEC_PER_SEC

// --- Percentiles -------------------------------------------------------------------------------

static void test_percentile(void **state)
{
    static const struct {
        const char *name;
        struct histogram now, before;
        uint64_t wanted_50, wanted_99;
    } rows[] = {
        {"nothing", {{0}, 0}, {{0}, 0}, RATES_NONE, RATES_NONE},
        {"nothing new", {{7, 1}, 0}, {{7, 1}, 0}, RATES_NONE, RATES_NONE},
        {"one", {{0, 0, 1}, 0}, {{0}, 0}, 500, 500},
        {"half and half", {{50, 50}, 0}, {{0}, 0}, 100, 200},
        {"just above the half", {{49, 51}, 0}, {{0}, 0}, 200, 200},
        {"one in a hundred", {{99, 0, 0, 1}, 0}, {{0}, 0}, 100, 100},
        {"two in a hundred", {{98, 0, 0, 2}, 0}, {{0}, 0}, 100, 1000},
        {"old ones do not count", {{1000, 0, 0, 2}, 0}, {{1000, 0, 0, 1}, 0}, 1000, 1000},
        {"above all bounds", {{[HISTOGRAM_BOUNDS] = 1}, 0}, {{0}, 0}, RATES_BEYOND, RATES_BEYOND},
        {"the last bound", {{[HISTOGRAM_BOUNDS - 1] = 1}, 0}, {{0}, 0}, 50000 * SEC, 50000 * SEC},
        {"that has fallen", {{0, 3}, 0}, {{5, 0}, 0}, 200, 200},
        {"great numbers", {{UINT64_MAX / 2, 1}, 0}, {{0}, 0}, 100, 100},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        check_number(rows[i].name, rates_percentile(&rows[i].now, &rows[i].before, 50),
                     rows[i].wanted_50);
        check_number(rows[i].name, rates_percentile(&rows[i].now, &rows[i].before, 99),
                     rows[i].wanted_99);
    }
    check_number("ever", rates_percentile(&rows[7].now, NULL, 50), 100);
}

// --- Rates -------------------------------------------------------------------------------------

// In thousandths, as doubles are not compared.
#define MILLI(number) ((uint64_t)((number)*1000 + 0.5))

static void test_rates(void **state)
{
    static const struct {
        const char *name;
        struct counters_pool now, before;
        uint64_t usec;
        uint64_t sessions, received, sent, full; // in thousandths
    } rows[] = {
        {"nothing", {.begun = 0}, {.begun = 0}, 2 * SEC, 0, 0, 0, 0},
        {"two seconds",
         {.begun = 110, .received = 3000, .sent = 7, .full_usec = 5 * SEC},
         {.begun = 100, .received = 1000, .sent = 6, .full_usec = 4 * SEC},
         2 * SEC,
         5000,
         1000000,
         500,
         500},
        {"no time", {.begun = 9, .full_usec = 9}, {.begun = 1}, 0, 0, 0, 0, 0},
        {"a moment", {.begun = 1}, {.begun = 0}, 1, 1000000000, 0, 0, 0},
        {"that has fallen",
         {.begun = 5, .received = 5, .sent = 5, .full_usec = 5},
         {.begun = 6, .received = 6, .sent = 6, .full_usec = 6},
         SEC,
         0,
         0,
         0,
         0},
        {"full for longer than the time", {.full_usec = 9 * SEC}, {.begun = 0}, SEC, 0, 0, 0, 1000},
        {"more than 32 bits",
         {.received = UINT64_C(1) << 40},
         {.begun = 0},
         1024 * SEC,
         0,
         (UINT64_C(1) << 30) * 1000,
         0,
         0},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct rates rates = rates_make(&rows[i].now, &rows[i].before, rows[i].usec);

        check_number(rows[i].name, MILLI(rates.sessions), rows[i].sessions);
        check_number(rows[i].name, MILLI(rates.received), rows[i].received);
        check_number(rows[i].name, MILLI(rates.sent), rows[i].sent);
        check_number(rows[i].name, MILLI(rates.full), rows[i].full);
        check_true(rows[i].name, rates.pool == &rows[i].now);
    }
}

static void test_named(void **state)
{
    static const struct counters_pool before = {
        .results = {.names = {"ok", "failed"}, .numbers = {10, 1}, .n = 2},
        .refused = {.names = {"rule", "dry_run"}, .numbers = {1, 10}, .n = 2},
    };
    static const struct counters_pool now = {
        .results = {.names = {"failed", "ok", "reset by peer"}, .numbers = {3, 20, 5}, .n = 3},
        .refused = {.names = {"dry_run", "rule", "rate", "uncounted"},
                    .numbers = {99, 2, 3, 99},
                    .n = 4},
        .workers = {.names = {"idle", "busy", "parked", "starting", "draining"},
                    .numbers = {1, 20, 300, 4000, 50000},
                    .n = 5},
        .exits = {.names = {"drained", "crashed", "retired", "killed", "program", "forbidden",
                            "failed"},
                  .numbers = {100000, 1, 100000, 20, 100000, 300, 4000},
                  .n = 7},
        .max = 40,
        .queue = 6,
        .wait = {.counts = {0, 0, 4}},
    };
    struct rates rates = rates_make(&now, &before, SEC);

    (void)state;
    check_number("failed", MILLI(rates.failed), 7000);
    check_number("refused", MILLI(rates.refused), 4000);
    check_number("busy", rates.n_busy, 20);
    check_number("workers", rates.n_workers, 4321);
    check_number("idle", rates.n_idle, 1);
    check_number("parked", rates.n_parked, 300);
    check_number("starting", rates.n_starting, 4000);
    check_number("draining", rates.n_draining, 50000);
    check_number("deaths", rates.deaths, 4321);
    check_number("share", MILLI(rates.busy), 500);
    check_number("queue", rates.queue, 6);
    check_number("wait", rates.wait_99, 500);
    check_true("duration", rates.duration_50 == RATES_NONE);
    rates = rates_make(&now, NULL, 10 * SEC);
    check_number("since the start", MILLI(rates.failed), 800);
}

static void test_same_daemon(void **state)
{
    static const struct counters one = {.daemon = {.pid = 7, .started_usec = 9}};
    static const struct counters later = {.daemon = {.pid = 7, .started_usec = 10}};
    static const struct counters other = {.daemon = {.pid = 8, .started_usec = 9}};

    (void)state;
    assert_true(rates_is_same_daemon(&one, &one));
    assert_false(rates_is_same_daemon(&one, &later));
    assert_false(rates_is_same_daemon(&one, &other));
}

// --- Views -------------------------------------------------------------------------------------

#define BUSY(number)                                   \
    {                                                  \
        .names = {"busy"}, .numbers = {number}, .n = 1 \
    }

// In the look before, pools have other places, and one is missing.
static struct counters_pool pools[] = {
    {.service = "echo",
     .listener = "*:7007",
     .begun = 30,
     .received = 9,
     .workers = BUSY(1),
     .max = 2,
     .queue = 3,
     .wait = {.counts = {0, 1}}},
    {.service = "Quiz",
     .listener = "[::1]:7000",
     .begun = 60,
     .received = 5,
     .sent = 2,
     .workers = BUSY(3),
     .max = 4},
    {.service = "echo",
     .listener = "unix:/run/echo",
     .begun = 10,
     .received = 7,
     .sent = 1,
     .workers = BUSY(0),
     .queue = 3,
     .wait = {.counts = {1}}},
};
static struct counters_pool pools_before[] = {
    {.service = "Quiz", .listener = "[::1]:7000", .begun = 50},
    {.service = "echo", .listener = "*:7007", .begun = 10},
};

static void test_views(void **state)
{
    static const struct {
        const char *name;
        struct rates_choice choice;
        const char *wanted; // of the first three, their places
    } rows[] = {
        {"as configured", {"", "", RATES_AS_CONFIGURED, false}, "012"},
        {"the last first", {"", "", RATES_AS_CONFIGURED, true}, "210"},
        {"busy", {"", "", RATES_BY_BUSY, false}, "102"},
        {"least busy", {"", "", RATES_BY_BUSY, true}, "201"},
        {"rate, of those that are equal the first", {"", "", RATES_BY_RATE, false}, "012"},
        {"in", {"", "", RATES_BY_IN, false}, "021"},
        {"out", {"", "", RATES_BY_OUT, false}, "120"},
        {"queue", {"", "", RATES_BY_QUEUE, false}, "021"},
        {"reversed, equals stay", {"", "", RATES_BY_QUEUE, true}, "102"},
        {"wait, unknown at the end", {"", "", RATES_BY_WAIT, false}, "021"},
        {"failed: all equal", {"", "", RATES_BY_FAILED, true}, "012"},
        {"one service", {"echo", "", RATES_BY_IN, false}, "02"},
        {"whole names of services", {"ech", "", RATES_BY_IN, false}, ""},
        {"part of a name", {"", "qui", RATES_BY_IN, false}, "1"},
        {"part of a listener", {"", "7", RATES_BY_IN, false}, "01"},
        {"capitals", {"", "UNIX", RATES_BY_IN, false}, "2"},
        {"both", {"echo", "7000", RATES_BY_IN, false}, ""},
    };
    static const struct counters now = {.pools = pools, .n = ELEMENTS(pools)};
    static const struct counters before = {.pools = pools_before, .n = ELEMENTS(pools_before)};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct rates_view view;
        char got[ELEMENTS(pools) + 1] = "";

        rates_view_make(&view, &now, &before, SEC, &rows[i].choice);
        check_true(rows[i].name, view.n <= ELEMENTS(pools));
        for (size_t k = 0; k < view.n; k++)
            got[k] = (char)('0' + (view.rates[k].pool - pools));
        check_text(rows[i].name, got, rows[i].wanted);
        rates_view_done(&view);
    }
}

static void test_sum(void **state)
{
    static const struct counters now = {.pools = pools, .n = ELEMENTS(pools)};
    static const struct counters before = {.pools = pools_before, .n = ELEMENTS(pools_before)};
    static const struct rates_choice all = {.service = "", .words = ""};
    struct rates_view view;

    (void)state;
    rates_view_make(&view, &now, &before, 2 * SEC, &all);
    check_number("sessions", MILLI(view.sum.sessions), (20 + 10 + 10) * 500); // the third is new
    check_number("busy", view.sum.n_busy, 4);
    check_number("share", MILLI(view.sum.busy), 667);
    check_number("queue", view.sum.queue, 6);
    check_number("maximum", view.sum.max, 6);
    rates_view_done(&view);
    rates_view_make(&view, &now, NULL, 10 * SEC, &all);
    check_number("since the start", MILLI(view.sum.sessions), 10000);
    rates_view_done(&view);
    rates_view_make(&view, &(struct counters){0}, NULL, SEC, &all);
    check_number("no pool", view.n, 0);
    rates_view_done(&view);
}

// A program that accepts by itself has no share of the maximum, alone or in the sum.
static void test_accepts_itself(void **state)
{
    struct counters_pool two[] = {
        {.service = "echo",
         .listener = "*:7",
         .max = 8,
         .workers = {.names = {"busy"}, .numbers = {2}, .n = 1}},
        {.service = "own",
         .listener = "*:8",
         .max = 4,
         .accepts_itself = true,
         .workers = {.names = {"busy"}, .numbers = {4}, .n = 1}},
    };
    struct counters now = {.pools = two, .n = ELEMENTS(two)};
    const struct rates_choice all = {.service = "", .words = ""};
    struct rates_view view;

    (void)state;
    rates_view_make(&view, &now, NULL, SEC, &all);
    check_number("its workers", view.rates[1].n_busy, 4);
    check_number("its share", MILLI(view.rates[1].busy), 0);
    check_number("the sum's workers", view.sum.n_busy, 6);
    check_number("the sum's share", MILLI(view.sum.busy), 250);
    rates_view_done(&view);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_percentile),     cmocka_unit_test(test_rates),
        cmocka_unit_test(test_named),          cmocka_unit_test(test_same_daemon),
        cmocka_unit_test(test_views),          cmocka_unit_test(test_sum),
        cmocka_unit_test(test_accepts_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
