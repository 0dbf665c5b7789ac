// SPDX-License-Identifier: MIT
// figures.c: few characters, and never more than there is.

#include "unit.h"
#include "view/figures.h"

static const struct {
    uint64_t n;
    const char *want;
} bytes[] = {
    {0, "0"},
    {999, "999"},
    {1000, "1.0K"},
    {1999, "1.9K"},
    {9999, "9.9K"},
    {10000, "10K"},
    {999999, "999K"},
    {1000000, "1.0M"},
    {12345678, "12M"},
    {UINT64_C(1000000000), "1.0G"},
    {UINT64_C(1000000000000), "1.0T"},
    {UINT64_MAX, "18E"},
};

static const struct {
    uint64_t usec;
    const char *want;
} ages[] = {
    {0, "0.0s"},
    {99999, "0.0s"},
    {400000, "0.4s"},
    {9999999, "9.9s"},
    {10 * USEC_PER_SEC, "10s"},
    {59 * USEC_PER_SEC, "59s"},
    {60 * USEC_PER_SEC, "1m"},
    {133 * USEC_PER_SEC, "2m13s"},
    {3600 * USEC_PER_SEC, "1h"},
    {(2 * 3600 + 13 * 60 + 59) * USEC_PER_SEC, "2h13m"},
    {24 * 3600 * USEC_PER_SEC, "1d"},
    {(3 * 24 + 4) * 3600 * USEC_PER_SEC, "3d4h"},
    {UINT64_MAX, "213503982d8h"},
};

static const struct {
    uint64_t usec;
    const char *want;
} latencies[] = {
    {0, "0.0ms"},      {99, "0.0ms"},     {345, "0.3ms"},    {31000, "31ms"},
    {999999, "999ms"}, {1234567, "1.2s"}, {12345678, "12s"},
};

static void test_bytes(void **state)
{
    char text[FIGURE_MAX];

    (void)state;
    for (size_t i = 0; i < ELEMENTS(bytes); i++)
        check_text(bytes[i].want, figure_bytes(bytes[i].n, text, sizeof(text)), bytes[i].want);
}

static void test_ages(void **state)
{
    char text[FIGURE_MAX];

    (void)state;
    for (size_t i = 0; i < ELEMENTS(ages); i++)
        check_text(ages[i].want, figure_age(ages[i].usec, text, sizeof(text)), ages[i].want);
}

static void test_latencies(void **state)
{
    char text[FIGURE_MAX];

    (void)state;
    for (size_t i = 0; i < ELEMENTS(latencies); i++)
        check_text(latencies[i].want, figure_latency(latencies[i].usec, text, sizeof(text)),
                   latencies[i].want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_ages),
        cmocka_unit_test(test_latencies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
