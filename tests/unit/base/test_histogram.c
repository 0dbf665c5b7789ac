// SPDX-License-Identifier: MIT
// histogram.c: bounds that ascend as 1, 2, 5 do, and where a time counts.

#include "base/histogram.h"

#include "unit.h"

static void test_bounds(void **state)
{
    (void)state;
    assert_int_equal(histogram_bounds[0], 100);
    assert_int_equal(histogram_bounds[HISTOGRAM_BOUNDS - 1], UINT64_C(50000) * 1000000);
    for (size_t i = 3; i < HISTOGRAM_BOUNDS; i++)
        check_number("ten times the one three before", (int64_t)histogram_bounds[i],
                     (int64_t)(10 * histogram_bounds[i - 3]));
    check_number("2", (int64_t)histogram_bounds[1], 200);
    check_number("5", (int64_t)histogram_bounds[2], 500);
}

// Each bound is the last time of its own; against a linear search.
static void test_index(void **state)
{
    (void)state;
    for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++) {
        check_number("below", (int64_t)histogram_index(histogram_bounds[i] - 1), (int64_t)i);
        check_number("at", (int64_t)histogram_index(histogram_bounds[i]), (int64_t)i);
        check_number("above", (int64_t)histogram_index(histogram_bounds[i] + 1), (int64_t)i + 1);
    }
    check_number("nothing", (int64_t)histogram_index(0), 0);
    check_number("for ever", (int64_t)histogram_index(UINT64_MAX), HISTOGRAM_BOUNDS);
}

static void test_count(void **state)
{
    struct histogram histogram = {0};

    (void)state;
    check_number("empty", (int64_t)histogram_count(&histogram), 0);
    for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++)
        histogram.counts[i] = i;
    check_number("all", (int64_t)histogram_count(&histogram),
                 HISTOGRAM_BOUNDS * (HISTOGRAM_BOUNDS + 1) / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bounds), cmocka_unit_test(test_index),
                                       cmocka_unit_test(test_count)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
