// SPDX-License-Identifier: MIT
// timespan.c: every unit, sums, what is refused, and that what is written is read back.

#include <errno.h>

#include "base/timespan.h"
#include "unit.h"

#define MINUTE    (60 * USEC_PER_SEC)
#define HOUR      (60 * MINUTE)
#define DAY       (24 * HOUR)
#define UNTOUCHED UINT64_C(0x5a5a5a5a5a5a5a5a)

static const struct {
    const char *name, *text;
    int want;
    uint64_t usec;
} parsed[] = {
    {"weeks, short", "2w", 0, 14 * DAY},
    {"weeks", "2weeks", 0, 14 * DAY},
    {"week", "1week", 0, 7 * DAY},
    {"days, short", "3d", 0, 3 * DAY},
    {"days", "3days", 0, 3 * DAY},
    {"day", "1day", 0, DAY},
    {"hours, short", "2h", 0, 2 * HOUR},
    {"hours", "2hours", 0, 2 * HOUR},
    {"hour", "1hour", 0, HOUR},
    {"hr", "2hr", 0, 2 * HOUR},
    {"min", "5min", 0, 5 * MINUTE},
    {"minutes", "5minutes", 0, 5 * MINUTE},
    {"minute", "1minute", 0, MINUTE},
    {"minutes, short", "5m", 0, 5 * MINUTE},
    {"seconds, short", "30s", 0, 30 * USEC_PER_SEC},
    {"seconds", "30seconds", 0, 30 * USEC_PER_SEC},
    {"second", "1second", 0, USEC_PER_SEC},
    {"sec", "30sec", 0, 30 * USEC_PER_SEC},
    {"ms", "500ms", 0, 500000},
    {"msec", "500msec", 0, 500000},
    {"us", "7us", 0, 7},
    {"usec", "7usec", 0, 7},
    {"a bare number", "45", 0, 45 * USEC_PER_SEC},
    {"zero", "0", 0, 0},
    {"zero with a unit", "0ms", 0, 0},
    {"leading zeros", "007s", 0, 7 * USEC_PER_SEC},
    {"a space before the unit", "30 s", 0, 30 * USEC_PER_SEC},
    {"spaces around", " \t30s \t", 0, 30 * USEC_PER_SEC},
    {"a sum", "1min 30s", 0, 90 * USEC_PER_SEC},
    {"a sum without spaces", "1min30s", 0, 90 * USEC_PER_SEC},
    {"a sum of all", "1w 1d 1h 1min 1s 1ms 1us", 0, 8 * DAY + HOUR + MINUTE + 1001001},
    {"the same unit twice", "1s 1s", 0, 2 * USEC_PER_SEC},
    {"rising units", "1us 1h", 0, HOUR + 1},
    {"the maximum", "36500d", 0, TIMESPAN_MAX_USEC},
    {"the maximum in seconds", "3153600000", 0, TIMESPAN_MAX_USEC},
    {"the maximum in us", "3153600000000000us", 0, TIMESPAN_MAX_USEC},

    {"a microsecond above", "36500d 1us", -ERANGE, UNTOUCHED},
    {"a microsecond above, at once", "3153600000000001us", -ERANGE, UNTOUCHED},
    {"a second above", "3153600001", -ERANGE, UNTOUCHED},
    {"a day above", "36501d", -ERANGE, UNTOUCHED},
    {"weeks above", "5215w", -ERANGE, UNTOUCHED},
    {"a sum above", "36499d 25h", -ERANGE, UNTOUCHED},
    {"2^64 us", "18446744073709551616us", -ERANGE, UNTOUCHED},
    {"2^64 + 5 s", "18446744073709551621", -ERANGE, UNTOUCHED},
    {"a product of 2^64", "30500568905w", -ERANGE, UNTOUCHED},
    {"very many digits", "99999999999999999999999999999999999999", -ERANGE, UNTOUCHED},

    {"empty", "", -EINVAL, UNTOUCHED},
    {"a space", " ", -EINVAL, UNTOUCHED},
    {"a unit alone", "s", -EINVAL, UNTOUCHED},
    {"an unknown unit", "5x", -EINVAL, UNTOUCHED},
    {"a unit's beginning", "5minu", -EINVAL, UNTOUCHED},
    {"a unit and more", "5secs", -EINVAL, UNTOUCHED},
    {"months", "1month", -EINVAL, UNTOUCHED},
    {"capitals", "5S", -EINVAL, UNTOUCHED},
    {"minus", "-1s", -EINVAL, UNTOUCHED},
    {"plus", "+1s", -EINVAL, UNTOUCHED},
    {"a fraction", "1.5s", -EINVAL, UNTOUCHED},
    {"a comma", "1,5s", -EINVAL, UNTOUCHED},
    {"hexadecimal", "0x10", -EINVAL, UNTOUCHED},
    {"an exponent", "1e3", -EINVAL, UNTOUCHED},
    {"infinity", "infinity", -EINVAL, UNTOUCHED},
    {"text behind", "5s,", -EINVAL, UNTOUCHED},
    {"a unit behind a sum", "1min s", -EINVAL, UNTOUCHED},
    {"a newline behind", "5s\n", -EINVAL, UNTOUCHED},
    {"a byte above ASCII", "5\xc2\xb5s", -EINVAL, UNTOUCHED},
};

static void test_parse(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(parsed); i++) {
        uint64_t usec = UNTOUCHED;

        check_number(parsed[i].name, timespan_parse(parsed[i].text, &usec), parsed[i].want);
        check_number(parsed[i].name, usec, parsed[i].usec);
    }
}

static const struct {
    uint64_t usec;
    const char *want;
} formatted[] = {
    {0, "0"},
    {1, "1us"},
    {999, "999us"},
    {1000, "1ms"},
    {1001, "1ms 1us"},
    {500000, "500ms"},
    {USEC_PER_SEC, "1s"},
    {59 * USEC_PER_SEC, "59s"},
    {90 * USEC_PER_SEC, "1min 30s"},
    {5 * MINUTE, "5min"},
    {2 * HOUR, "2h"},
    {25 * HOUR, "1d 1h"},
    {DAY, "1d"},
    {7 * DAY, "1w"},
    {8 * DAY + HOUR + MINUTE + 1001001, "1w 1d 1h 1min 1s 1ms 1us"},
    {TIMESPAN_MAX_USEC, "5214w 2d"},
    {UINT64_MAX, "30500568w 6d 8h 1min 49s 551ms 615us"},
};

static void test_format(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(formatted); i++) {
        char text[TIMESPAN_TEXT_MAX];

        assert_ptr_equal(timespan_format(formatted[i].usec, text, sizeof(text)), text);
        check_text(formatted[i].want, text, formatted[i].want);
    }
}

// A text that is cut must not show another span: "1min 3" is not the beginning of "1min 30s".
static void test_format_cut(void **state)
{
    const uint64_t usec = 61 * MINUTE + 30 * USEC_PER_SEC;
    char full[TIMESPAN_TEXT_MAX];

    (void)state;
    (void)timespan_format(usec, full, sizeof(full));
    check_text("the whole text", full, "1h 1min 30s");
    for (size_t size = 1; size <= strlen(full) + 1; size++) {
        char text[TIMESPAN_TEXT_MAX], row[32];
        size_t length;

        memset(text, '#', sizeof(text));
        (void)timespan_format(usec, text, size);
        (void)snprintf(row, sizeof(row), "cut at %zu", size);
        length = strnlen(text, size);
        check_true(row, length < size);
        check_true(row, text[size] == '#');
        check_bytes(row, text, length, full, length);
        if (length > 0 && full[length] != ' ' && full[length] != '\0')
            fail_msg("%s: \"%s\" ends within a unit of \"%s\"", row, text, full);
    }
}

static void round_trip(uint64_t usec)
{
    char text[TIMESPAN_TEXT_MAX];
    uint64_t again = UNTOUCHED;

    check_number(text, timespan_parse(timespan_format(usec, text, sizeof(text)), &again), 0);
    check_number(text, again, usec);
}

static void test_round_trip(void **state)
{
    uint64_t random = 1;

    (void)state;
    for (uint64_t usec = 0; usec < 3000; usec++)
        round_trip(usec);
    for (uint64_t power = 1; power < TIMESPAN_MAX_USEC; power *= 2) {
        round_trip(power - 1);
        round_trip(power);
    }
    for (int i = 0; i < 20000; i++) {
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        round_trip((random >> 8) % (TIMESPAN_MAX_USEC + 1));
    }
    round_trip(TIMESPAN_MAX_USEC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_format_cut),
        cmocka_unit_test(test_round_trip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
