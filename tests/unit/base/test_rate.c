// SPDX-License-Identifier: MIT
// rate.c: every unit, what is refused, and that what is written is read back.

#include <errno.h>

#include "base/rate.h"
#include "unit.h"

static const struct {
    const char *name, *text;
    int want;
    uint32_t n, seconds;
    uint64_t interval_nsec;
} rows[] = {
    {"a second", "10/s", 0, 10, 1, 100000000},
    {"a minute", "100/min", 0, 100, 60, 600000000},
    {"an hour", "1000/h", 0, 1000, 3600, 3600000000},
    {"one", "1/h", 0, 1, 3600, 3600000000000},
    {"the most", "1000000/s", 0, 1000000, 1, 1000},
    {"none", "0", 0, 0, 0, 0},

    {"one more", "1000001/s", -ERANGE, 0, 0, 0},
    {"many more", "99999999999999999999/h", -ERANGE, 0, 0, 0},
    {"no unit", "10", -EINVAL, 0, 0, 0},
    {"a day", "10/d", -EINVAL, 0, 0, 0},
    {"a word", "10/second", -EINVAL, 0, 0, 0},
    {"no number", "/s", -EINVAL, 0, 0, 0},
    {"no unit, but a slash", "10/", -EINVAL, 0, 0, 0},
    {"two slashes", "10//s", -EINVAL, 0, 0, 0},
    {"a fraction", "0.5/s", -EINVAL, 0, 0, 0},
    {"below zero", "-1/s", -EINVAL, 0, 0, 0},
    {"a plus", "+1/s", -EINVAL, 0, 0, 0},
    {"a space", "10 /s", -EINVAL, 0, 0, 0},
    {"a space in front", " 10/s", -EINVAL, 0, 0, 0},
    {"a space behind", "10/s ", -EINVAL, 0, 0, 0},
    {"nothing at all", "0/s", -EINVAL, 0, 0, 0},
    {"a zero in front", "010/s", -EINVAL, 0, 0, 0},
    {"empty", "", -EINVAL, 0, 0, 0},
    {"capitals", "10/S", -EINVAL, 0, 0, 0},
};

static void test_rates(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct rate rate = {77, 77};
        char text[RATE_TEXT_MAX];

        check_number(rows[i].name, rate_parse(rows[i].text, &rate), rows[i].want);
        if (rows[i].want < 0) {
            check_number("untouched", rate.n, 77);
            continue;
        }
        check_number(rows[i].name, rate.n, rows[i].n);
        check_number(rows[i].name, rate.seconds, rows[i].seconds);
        check_number(rows[i].name, rate_interval_nsec(&rate), rows[i].interval_nsec);
        check_text(rows[i].name, rate_format(&rate, text, sizeof(text)), rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rates)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
