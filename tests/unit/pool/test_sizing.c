// SPDX-License-Identifier: MIT
// sizing.c: the four functions by table, and over every small pool the promises of sizing.h.

#include "pool/sizing.h"
#include "unit.h"

static const struct {
    const char *name;
    struct sizing_limits limits;
    struct sizing_counts counts;
    unsigned target, missing;
} rows[] = {
    {"an empty pool starts its minimum", {4, 2, 256}, {0, 0, 0}, 4, 4},
    {"an empty pool with spare above min", {1, 4, 256}, {0, 0, 0}, 4, 4},
    {"all idle", {4, 4, 256}, {4, 4, 0}, 4, 0},
    {"one busy", {4, 4, 256}, {4, 3, 0}, 5, 1},
    {"all busy", {4, 4, 256}, {4, 0, 0}, 8, 4},
    {"no spare, all busy", {4, 0, 256}, {4, 0, 0}, 4, 0},
    {"a queue", {4, 0, 256}, {4, 0, 10}, 14, 10},
    {"a queue and idle ones", {4, 4, 256}, {4, 4, 10}, 14, 10},
    {"at the maximum", {4, 4, 8}, {8, 0, 100}, 8, 0},
    {"nearly at the maximum", {4, 4, 8}, {7, 0, 100}, 8, 1},
    {"above the maximum", {4, 4, 8}, {10, 0, 0}, 8, 0},
    {"a surplus", {4, 4, 256}, {100, 90, 0}, 14, 0},
    {"min is max", {5, 0, 5}, {5, 5, 0}, 5, 0},
    {"more idle than active", {1, 0, 8}, {2, 3, 0}, 1, 0},
    {"a queue near 2^32", {1, 4, 30000}, {3, 0, UINT32_MAX}, 30000, 29997},
    {"everything large", {1, UINT32_MAX, UINT32_MAX}, {UINT32_MAX, 0, UINT32_MAX}, UINT32_MAX, 0},
};

static void test_target(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        check_number(rows[i].name, sizing_target(&rows[i].limits, &rows[i].counts), rows[i].target);
        check_number(rows[i].name, sizing_missing(&rows[i].limits, &rows[i].counts),
                     rows[i].missing);
    }
}

// A pool with a target of 4 (its minimum) over a time in milliseconds, one surplus kept throughout.
static const struct {
    const char *name;
    unsigned time_ms, active, want;
} story[] = {
    {"no surplus", 1000, 4, 0},
    {"a surplus begins", 2000, 20, 0},
    {"it lasts", 6999, 20, 0},
    {"it has lasted: an eighth of 16", 7000, 20, 2},
    {"an eighth of 14, rounded up", 8000, 18, 2},
    {"an eighth of 9, rounded up", 9000, 13, 2},
    {"an eighth of 8", 10000, 12, 1},
    {"an eighth of 1, rounded up", 11000, 5, 1},
    {"gone", 12000, 4, 0},
    {"another one must last again", 13000, 20, 0},
    {"it lasts", 17999, 20, 0},
    {"gone for a moment", 18000, 4, 0},
    {"so it must last again", 18500, 20, 0},
    {"it still does", 23499, 20, 0},
    {"it has lasted", 23500, 20, 2},
    {"above the maximum: at once, to the maximum", 24000, 150, 50},
};

static void test_excess(void **state)
{
    const struct sizing_limits limits = {.min = 4, .spare = 0, .max = 100};
    struct sizing_surplus surplus = {0};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(story); i++) {
        struct sizing_counts counts = {.active = story[i].active, .idle = story[i].active};

        check_number(story[i].name,
                     sizing_excess(&limits, &counts, &surplus, story[i].time_ms * USEC_PER_MSEC),
                     story[i].want);
    }
}

static void check_up(const char *row, const struct sizing_limits *limits,
                     const struct sizing_counts *counts)
{
    unsigned target = sizing_target(limits, counts);
    unsigned missing = sizing_missing(limits, counts);
    struct sizing_counts more = {counts->active, counts->idle, counts->queued + 1};

    check_true(row, limits->min <= target && target <= limits->max);
    check_number(row, missing, target > counts->active ? target - counts->active : 0);
    check_true(row, missing == 0 || counts->active + missing <= limits->max);
    check_true(row, sizing_target(limits, &more) >= target);
    if (counts->idle <= counts->active && counts->active + missing < limits->max)
        check_true(row, counts->idle + missing >= limits->spare);
}

static void check_down(const char *row, const struct sizing_limits *limits,
                       const struct sizing_counts *counts)
{
    const uint64_t start = 7, over = start + SIZING_SURPLUS_USEC;
    unsigned target = sizing_target(limits, counts);
    unsigned allowed = target > limits->max ? target : limits->max;
    struct sizing_surplus surplus = {0};
    unsigned at_once = sizing_excess(limits, counts, &surplus, start);
    unsigned before = sizing_excess(limits, counts, &surplus, over - 1);
    unsigned after = sizing_excess(limits, counts, &surplus, over);

    check_number(row, at_once, counts->active > allowed ? counts->active - allowed : 0);
    check_number(row, before, at_once);
    if (at_once == 0)
        check_number(row, after, counts->active > target ? (counts->active - target + 7) / 8 : 0);
    check_true(row, counts->active < target || counts->active - after >= target);
    check_true(row, after == 0 || sizing_missing(limits, counts) == 0);
}

// Every pool of a few workers.
static void test_sweep(void **state)
{
    static const unsigned sizes[] = {7, 6, 5, 24, 26, 5}; // max, spare, min, active, idle, queued
    size_t n = 1;

    (void)state;
    for (size_t i = 0; i < ELEMENTS(sizes); i++)
        n *= sizes[i];
    for (size_t number = 0; number < n; number++) {
        unsigned v[ELEMENTS(sizes)];
        char row[80];
        size_t rest = number;

        for (size_t i = 0; i < ELEMENTS(sizes); i++, rest /= sizes[i - 1])
            v[i] = (unsigned)(rest % sizes[i]);
        v[0]++;
        if (v[2] > v[0] || v[4] > v[3] + 1)
            continue;
        (void)snprintf(row, sizeof(row), "min %u spare %u max %u: active %u idle %u queued %u",
                       v[2], v[1], v[0], v[3], v[4], v[5]);
        check_up(row, &(struct sizing_limits){v[2], v[1], v[0]},
                 &(struct sizing_counts){v[3], v[4], v[5]});
        check_down(row, &(struct sizing_limits){v[2], v[1], v[0]},
                   &(struct sizing_counts){v[3], v[4], v[5]});
    }
}

#define BURST 2048
#define COST  500 // microseconds that one worker takes to earn

static const struct spawn_rate rate = {BURST, USEC_PER_SEC / COST};

// One bucket over a time in microseconds.
static const struct {
    const char *name;
    uint64_t time_usec;
    unsigned wanted, want;
} takes[] = {
    {"full at first", 1000, 10, 10},
    {"the rest of the burst", 1000, BURST, BURST - 10},
    {"empty", 1000, 1, 0},
    {"nothing wanted", 1000, 0, 0},
    {"not yet one", 1000 + COST - 1, 5, 0},
    {"one", 1000 + COST, 5, 1},
    {"three, of which two are taken", 1000 + 4 * COST, 2, 2},
    {"the third", 1000 + 4 * COST, 2, 1},
    {"never more than the burst", UINT64_C(1000000000), UINT32_MAX, BURST},
};

static void test_take(void **state)
{
    struct sizing_bucket bucket = {0};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(takes); i++)
        check_number(takes[i].name,
                     sizing_take(&bucket, &rate, takes[i].wanted, takes[i].time_usec),
                     takes[i].want);
}

// What was granted comes besides the burst and the rate: at once, and once.
static void test_grant(void **state)
{
    struct sizing_bucket fresh = {0}, used = {0};

    (void)state;
    sizing_grant(&fresh, 3 * BURST);
    check_number("granted", sizing_take(&fresh, &rate, 3 * BURST, 1000), 3 * BURST);
    check_number("the burst all the same", sizing_take(&fresh, &rate, UINT32_MAX, 1000), BURST);
    check_number("once", sizing_take(&fresh, &rate, 1, 1000), 0);
    check_number("then the rate", sizing_take(&fresh, &rate, 5, 1000 + 2 * COST), 2);
    check_number("all", sizing_take(&used, &rate, BURST, 1000), BURST);
    sizing_grant(&used, 10);
    check_number("after the burst", sizing_take(&used, &rate, 20, 1000), 10);
    sizing_grant(&used, 10);
    sizing_grant(&used, 7);
    check_number("not added up", sizing_take(&used, &rate, 20, 1000), 10);
}

// A rate that does not divide a second loses nothing to rounding.
static void test_odd_rate(void **state)
{
    const struct spawn_rate odd = {10, 3000000 / 7};
    struct sizing_bucket bucket = {0};
    uint64_t taken = 0;

    (void)state;
    (void)sizing_take(&bucket, &odd, 10, 1);
    for (uint64_t now = 2; now <= 1000001; now++)
        taken += sizing_take(&bucket, &odd, UINT32_MAX, now);
    check_number("in a second", taken, odd.per_sec);
}

// Whatever is asked for and when: never more than the burst and what the time since has earned;
// and whoever always asks for all gets all of it.
static void test_take_bounded(void **state)
{
    static const uint64_t longest_usec[] = {1, 400, 1000, 10000, 400000, 3000000};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(longest_usec); i++)
        for (int greedy = 0; greedy < 2; greedy++) {
            struct sizing_bucket bucket = {0};
            const uint64_t start = 1000000;
            uint64_t now = start, random = i + 1;
            uint64_t taken = sizing_take(&bucket, &rate, greedy ? UINT32_MAX : 0, start);
            char row[64];

            (void)snprintf(row, sizeof(row), "steps to %ju us, greedy %d",
                           (uintmax_t)longest_usec[i], greedy);
            for (int step = 0; step < 20000; step++) {
                unsigned wanted, got;

                random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
                wanted = greedy ? UINT32_MAX : (unsigned)(random >> 40) % 3000;
                now += (random >> 20) % (longest_usec[i] + 1);
                got = sizing_take(&bucket, &rate, wanted, now);
                taken += got;
                check_true(row, got <= wanted);
                check_true(row, taken <= BURST + (now - start) / COST);
            }
            if (greedy && longest_usec[i] < BURST * COST)
                check_number(row, taken, BURST + (now - start) / COST);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_target),       cmocka_unit_test(test_excess),
        cmocka_unit_test(test_sweep),        cmocka_unit_test(test_take),
        cmocka_unit_test(test_take_bounded), cmocka_unit_test(test_grant),
        cmocka_unit_test(test_odd_rate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
