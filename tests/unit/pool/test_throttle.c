// SPDX-License-Identifier: MIT
// throttle.c: what costs nothing, how the wait doubles and where it ends, and that a reset forgets.

#include "pool/throttle.h"
#include "unit.h"

#define NOW (1000 * USEC_PER_SEC)

static const struct throttle_rule small = {.n_free = 1, .first_usec = 3, .max_usec = 10};
static const struct throttle_rule flat = {.n_free = 0, .first_usec = 50, .max_usec = 20};

// The wait in microseconds that each failure in a row costs.
static const struct {
    const char *name;
    const struct throttle_rule *rule;
    uint64_t want[24];
    size_t n;
} rows[] = {
    {"deaths",
     &throttle_deaths,
     {0, 0, 0, 100000, 200000, 400000, 800000, 1600000, 3200000, 6400000, 12800000, 25600000,
      30000000, 30000000, 30000000},
     15},
    {"forks",
     &throttle_forks,
     {100000, 200000, 400000, 800000, 1600000, 3200000, 6400000, 10000000, 10000000},
     9},
    {"doubts",
     &throttle_doubts,
     {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 100000, 100000},
     22},
    {"one free", &small, {0, 3, 6, 10, 10}, 5},
    {"first above max", &flat, {20, 20}, 2},
};

static void test_fail(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct throttle throttle = {0};

        for (size_t k = 0; k < rows[i].n; k++) {
            uint64_t now = NOW + k * 60 * USEC_PER_SEC;
            char row[64];

            (void)snprintf(row, sizeof(row), "%s, failure %zu", rows[i].name, k + 1);
            check_number(row, throttle_fail(&throttle, rows[i].rule, now), rows[i].want[k]);
            check_number(row, throttle_wait(&throttle, now), rows[i].want[k]);
            check_number(row, throttle_is_on(&throttle, rows[i].rule), rows[i].want[k] > 0);
        }
    }
}

static const struct {
    const char *name;
    uint64_t later_usec, want;
} waits[] = {
    {"at once", 0, 100000}, {"half way", 50000, 50000}, {"nearly", 99999, 1},
    {"over", 100000, 0},    {"long over", 1000000, 0},
};

static void test_wait(void **state)
{
    struct throttle throttle = {0};

    (void)state;
    check_number("untouched", throttle_wait(&throttle, NOW), 0);
    check_number("untouched, at 0", throttle_wait(&throttle, 0), 0);
    (void)throttle_fail(&throttle, &throttle_forks, NOW);
    for (size_t i = 0; i < ELEMENTS(waits); i++)
        check_number(waits[i].name, throttle_wait(&throttle, NOW + waits[i].later_usec),
                     waits[i].want);
}

// Failures at the same moment do not add up their waits; one that comes later does not shorten.
static void test_overlap(void **state)
{
    struct throttle throttle = {0};

    (void)state;
    for (int i = 0; i < 3; i++)
        (void)throttle_fail(&throttle, &throttle_forks, NOW);
    check_number("three at once", throttle_wait(&throttle, NOW), 400000);
    throttle.n_failures = 0;
    (void)throttle_fail(&throttle, &throttle_forks, NOW + 1000);
    check_number("a shorter wait", throttle_wait(&throttle, NOW), 400000);
}

static void test_reset(void **state)
{
    struct throttle throttle = {0};

    (void)state;
    for (int i = 0; i < 10; i++)
        (void)throttle_fail(&throttle, &throttle_deaths, NOW);
    throttle_reset(&throttle);
    check_number("no wait", throttle_wait(&throttle, NOW), 0);
    for (int i = 0; i < 3; i++)
        check_number("free again", throttle_fail(&throttle, &throttle_deaths, NOW), 0);
    check_number("from the first again", throttle_fail(&throttle, &throttle_deaths, NOW), 100000);
}

static void test_many(void **state)
{
    struct throttle throttle = {.n_failures = UINT32_MAX - 1};

    (void)state;
    for (int i = 0; i < 4; i++)
        check_number("at the end of counting", throttle_fail(&throttle, &throttle_deaths, NOW),
                     throttle_deaths.max_usec);
    check_number("it stays there", throttle.n_failures, UINT32_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fail),  cmocka_unit_test(test_wait), cmocka_unit_test(test_overlap),
        cmocka_unit_test(test_reset), cmocka_unit_test(test_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
