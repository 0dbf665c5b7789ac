// SPDX-License-Identifier: MIT
// session_line.c: lines as they are written, and read as the same; what is no line is not read.

#include <errno.h>

#include "unit.h"
#include "view/session_line.h"

#define UNKNOWN SESSION_LINE_UNKNOWN
#define SOME    UINT64_C(1764079402118432) // 2025-11-25T14:03:22.118432Z

static const struct {
    const char *text;
    struct session_line line;
} lines[] = {
    {"2025-11-25T14:03:22.118432Z 192.0.2.7:48764 ok 0.000412s 64B in 64B out wait 0.000s "
     "48211.317",
     {SOME, "192.0.2.7:48764", NULL, "ok", 412, 64, 64, 0, 48211, 317, false}},
    {"1970-01-01T00:00:00.000000Z - ok 0.000000s 0B in 0B out wait - 0.0",
     {0, "-", NULL, "ok", 0, 0, 0, UNKNOWN, 0, 0, false}},
    {"2000-02-29T23:59:59.999999Z [2001:db8::1]:7 through 10.0.0.5:51200 idle_timeout "
     "86400.500000s "
     "1B in 18446744073709551615B out wait 12.345s 1.18446744073709551615 slow",
     {UINT64_C(951868799999999), "[2001:db8::1]:7", "10.0.0.5:51200", "idle_timeout",
      UINT64_C(86400500000), 1, UINT64_MAX, 12345000, 1, UINT64_MAX, true}},
    {"9999-12-31T23:59:59.999999Z unix: reset_by_peer 1.000001s 0B in 10B out wait 4294.967s 7.1",
     {UINT64_C(253402300799999999), "unix:", NULL, "reset_by_peer", 1000001, 0, 10, 4294967000, 7,
      1, false}},
};

static void test_format(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(lines); i++) {
        char text[SESSION_LINE_MAX];
        size_t length = session_line_format(&lines[i].line, text);

        check_text("a line", text, lines[i].text);
        check_number(lines[i].text, length, strlen(lines[i].text));
    }
}

static void check_same(const char *row, const struct session_line *got,
                       const struct session_line *want)
{
    check_number(row, got->end_realtime_usec, want->end_realtime_usec);
    check_text(row, got->peer, want->peer);
    check_text(row, got->through, want->through);
    check_text(row, got->result, want->result);
    check_number(row, got->duration_usec, want->duration_usec);
    check_number(row, got->received, want->received);
    check_number(row, got->sent, want->sent);
    check_number(row, got->wait_usec, want->wait_usec);
    check_number(row, got->pid, want->pid);
    check_number(row, got->number, want->number);
    check_number(row, got->is_slow, want->is_slow);
}

static void test_parse(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(lines); i++) {
        char text[SESSION_LINE_MAX];
        struct session_line got;

        strcpy(text, lines[i].text);
        check_number(lines[i].text, session_line_parse(text, &got), 0);
        check_same(lines[i].text, &got, &lines[i].line);
    }
}

// A result of several words is one in a line; a time that nobody has is the last one; texts that
// are too long are cut.
static void test_worst(void **state)
{
    char peer[1000], text[SESSION_LINE_MAX];
    struct session_line line = {UINT64_MAX, peer,       peer,       "first byte timeout",
                                UINT64_MAX, UINT64_MAX, UINT64_MAX, UNKNOWN - 1,
                                UINT64_MAX, UINT64_MAX, true};
    struct session_line got;

    (void)state;
    memset(peer, 'x', sizeof(peer) - 1);
    peer[sizeof(peer) - 1] = '\0';
    check_true("within its room", session_line_format(&line, text) < SESSION_LINE_MAX);
    check_bytes("time", text, 19, "9999-12-31T23:59:59", 19);
    check_true("result", strstr(text, " first_byte_timeout ") != NULL);
    check_number("read", session_line_parse(text, &got), 0);
    check_number("cut", strlen(got.peer), ADDRESS_TEXT_MAX - 1);
    line.result = peer; // which no daemon writes, but somebody else may have
    check_true("within its room", session_line_format(&line, text) < SESSION_LINE_MAX);
    check_number("read", session_line_parse(text, &got), 0);
    check_number("cut", strlen(got.result), ADDRESS_TEXT_MAX - 1);
}

// Each day there is, against the C library.
static void test_days(void **state)
{
    (void)state;
    for (uint64_t day = 0; day < 2932897; day += day < 60000 ? 1 : 37) {
        struct session_line got, line = lines[1].line;
        time_t seconds = (time_t)(day * 86400);
        char text[SESSION_LINE_MAX], want[64];
        struct tm tm;

        line.end_realtime_usec = day * 86400 * USEC_PER_SEC;
        (void)session_line_format(&line, text);
        (void)strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S.000000Z", gmtime_r(&seconds, &tm));
        check_bytes("a day", text, strlen(want), want, strlen(want));
        check_number(want, session_line_parse(text, &got), 0);
        check_number(want, got.end_realtime_usec, line.end_realtime_usec);
    }
}

static void test_bad(void **state)
{
#define TIME "2025-11-25T14:03:22.118432Z "
#define REST " 0.000412s 64B in 64B out wait 0.000s 48211.317"
    static const char *const bad[] = {
        "",
        " ",
        "echo 127.0.0.1:7007: 2 sessions",
        TIME,
        TIME "1.2.3.4:5",
        TIME "1.2.3.4:5 ok",
        TIME "1.2.3.4:5 ok 0.000412s 64B in 64B out wait 0.000s 48211.",
        TIME "1.2.3.4:5 ok 0.000412s 64B in 64B out wait 0.000s 48211",
        TIME "1.2.3.4:5 ok 0.000412s 64B in 64B out wait 0.000s .317",
        TIME "1.2.3.4:5 ok" REST " ",
        TIME "1.2.3.4:5 ok" REST " fast",
        TIME "1.2.3.4:5 ok" REST " slow ",
        TIME " ok" REST,
        TIME "1.2.3.4:5  ok" REST,
        TIME "1.2.3.4:5 through ok" REST,
        TIME "1.2.3.4:5 ok 0.00041s 64B in 64B out wait 0.000s 48211.317",
        TIME "1.2.3.4:5 ok 0.0004120s 64B in 64B out wait 0.000s 48211.317",
        TIME "1.2.3.4:5 ok 00.000412s 64B in 64B out wait 0.000s 48211.317",
        TIME "1.2.3.4:5 ok 18446744073709551615.000412s 64B in 64B out wait 0.000s 1.1",
        TIME "1.2.3.4:5 ok 0.000412s 064B in 64B out wait 0.000s 48211.317",
        TIME "1.2.3.4:5 ok 0.000412s 18446744073709551616B in 64B out wait 0.000s 48211.317",
        TIME "1.2.3.4:5 ok 0.000412s -1B in 64B out wait 0.000s 48211.317",
        TIME "1.2.3.4:5 ok 0.000412s 64B in 64B out wait 4294.968s 48211.317",
        TIME "1.2.3.4:5 ok 0.000412s 64B in 64B out wait 0.0000s 48211.317",
        "2025-11-25 14:03:22.118432Z 1.2.3.4:5 ok" REST,
        "2025-11-25T14:03:22.118432 1.2.3.4:5 ok" REST,
        "2025-11-25T24:03:22.118432Z 1.2.3.4:5 ok" REST,
        "2025-11-25T14:60:22.118432Z 1.2.3.4:5 ok" REST,
        "2025-11-25T14:03:60.118432Z 1.2.3.4:5 ok" REST,
        "2025-13-25T14:03:22.118432Z 1.2.3.4:5 ok" REST,
        "2025-00-25T14:03:22.118432Z 1.2.3.4:5 ok" REST,
        "2025-11-00T14:03:22.118432Z 1.2.3.4:5 ok" REST,
        "2025-11-31T14:03:22.118432Z 1.2.3.4:5 ok" REST,
        "2025-02-29T14:03:22.118432Z 1.2.3.4:5 ok" REST,
        "2100-02-29T14:03:22.118432Z 1.2.3.4:5 ok" REST,
        "1969-12-31T14:03:22.118432Z 1.2.3.4:5 ok" REST,
        "02025-11-25T14:03:22.118432Z 1.2.3.4:5 ok" REST,
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(bad); i++) {
        char text[SESSION_LINE_MAX];
        struct session_line got;

        strcpy(text, bad[i]);
        check_number(bad[i], session_line_parse(text, &got), -EINVAL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format), cmocka_unit_test(test_parse), cmocka_unit_test(test_worst),
        cmocka_unit_test(test_days),   cmocka_unit_test(test_bad),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
