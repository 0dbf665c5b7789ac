// SPDX-License-Identifier: MIT
// log_filter.c: which sessions are shown, and which times and addresses are taken.

#include <stdlib.h>

#include "ctl/log_filter.h"
#include "unit.h"

#define NOW  UINT64_C(1764079402000000) // 2025-11-25T14:03:22Z
#define SECS USEC_PER_SEC

static int set_zone(void **state)
{
    (void)state;
    (void)setenv("TZ", "CET-1", 1); // an hour ahead, all year
    tzset();
    return 0;
}

static const struct {
    const char *text;
    uint64_t seconds; // since 1970; 0: it is refused
} times[] = {
    {"1h", NOW / SECS - 3600},
    {"90", NOW / SECS - 90},
    {"2025", NOW / SECS - 2025}, // a year is nothing by itself
    {"0", NOW / SECS},
    {"2min 30s", NOW / SECS - 150},
    {"today", 1764025200},     // 2025-11-24T23:00:00Z
    {"yesterday", 1763938800}, // a day before
    {"@1764079402", 1764079402},
    {"2025-11-25", 1764025200},
    {"2025-11-25 14:03", 1764075780},
    {"2025-11-25 14:03:22", 1764075802},
    {"2025-11-25T14:03:22Z", 1764079402},
    {"2025-11-25T14:03:22.118432Z", 1764079402},
    {"", 0},
    {"@", 0},
    {"@x", 0},
    {"@-1", 0},
    {"@99999999999999999999", 0},
    {"tomorrow", 0},
    {"2025-11", 0},
    {"2025-13-25", 0},
    {"2025-11-25 14", 0},
    {"2025-11-25 14:03 ", 0},
    {"2025-11-25T14:03:22.Z", 0},
    {"2025-11-25T14:03:22.5", 0},
    {"1960-01-01", 0},
};

static void test_since(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(times); i++) {
        struct log_filter filter = {0};
        bool good = times[i].seconds > 0;

        check_number(times[i].text, log_filter_set_since(&filter, times[i].text, NOW), good);
        check_number(times[i].text, filter.since_usec / SECS, times[i].seconds);
    }
}

// To the microsecond, where a line's own time is given.
static void test_fractions(void **state)
{
    static const struct {
        const char *text;
        uint64_t usec;
    } rows[] = {
        {"2025-11-25T14:03:22.118432Z", 118432},
        {"2025-11-25T14:03:22.5Z", 500000},
        {"2025-11-25T14:03:22.1184329Z", 118432},
        {"2025-11-25T14:03:22Z", 0},
    };
    struct log_filter filter = {0};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        check_true(rows[i].text, log_filter_set_since(&filter, rows[i].text, NOW));
        check_number(rows[i].text, filter.since_usec % SECS, rows[i].usec);
    }
    check_true("no digits", !log_filter_set_since(&filter, "2025-11-25T14:03:22.Z", NOW));
    check_true("no Z", !log_filter_set_since(&filter, "2025-11-25T14:03:22.5", NOW));
    check_true("1970", log_filter_set_since(&filter, "1970-01-01T00:00:00.000000Z", NOW));
    check_number("1970", filter.since_usec, 1); // as 0 is whenever
}

static const struct {
    const char *filter, *peer;
    bool takes;
} peers[] = {
    {"192.0.2.7", "192.0.2.7:48764", true},
    {"192.0.2.7", "192.0.2.7", true}, // masked, in an entry
    {"192.0.2.7", "192.0.2.70:48764", false},
    {"192.0.2.0/24", "192.0.2.70:1", true},
    {"192.0.2.0/24", "192.0.3.70:1", false},
    {"2001:db8::/32", "[2001:db8::1]:7", true},
    {"2001:db8::/32", "[2001:db9::1]:7", false},
    {"2001:db8::/32", "192.0.2.7:7", false},
    {"fe80::/64", "[fe80::1%2]:7", true},
    {"localhost", "127.3.4.5:7", true},
    {"localhost", "[::1]:7", true},
    {"localhost", "192.0.2.7:7", false},
    {"any", "192.0.2.7:7", true},
    {"any", "unix:", false},
    {"any", "-", false},
    {"unix", "unix:", true},
    {"unix:", "unix:/run/x", true},
    {"unix", "192.0.2.7:7", false},
    {"192.0.2.7", "-", false},
    {"192.0.2.7", "", false},
    {"192.0.2.7", "[", false},
    {"192.0.2.7", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:1",
     false},
};

static struct session_line make_line(const char *peer, const char *result, uint64_t duration_usec)
{
    return (struct session_line){
        .end_realtime_usec = NOW, .peer = peer, .result = result, .duration_usec = duration_usec};
}

static void test_peers(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(peers); i++) {
        struct session_line line = make_line(peers[i].peer, "ok", 0);
        struct log_filter filter = {0};
        char row[128], wrong[PREFIX_WRONG_MAX];

        (void)snprintf(row, sizeof(row), "%s, %s", peers[i].filter, peers[i].peer);
        check_true(row, log_filter_set_peer(&filter, peers[i].filter, wrong));
        check_number(row, log_filter_takes(&filter, &line), peers[i].takes);
    }
}

static void test_bad_peers(void **state)
{
    static const char *const bad[] = {
        "", "192.0.2", "192.0.2.7:80", "[::1]", "example.org", "192.0.2.7/24", "192.0.2.0/33"};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(bad); i++) {
        struct log_filter filter = {0};
        char wrong[PREFIX_WRONG_MAX] = "";

        check_true(bad[i], !log_filter_set_peer(&filter, bad[i], wrong));
        check_true(bad[i], wrong[0] != '\0');
    }
}

static void test_others(void **state)
{
    const struct {
        const char *name;
        struct log_filter filter;
        bool takes;
    } rows[] = {
        {"nothing asked", {.n_peers = 0}, true},
        {"the result", {.result = "idle_timeout"}, true},
        {"the result in words", {.result = "idle timeout"}, true},
        {"another", {.result = "ok"}, false},
        {"the beginning of it", {.result = "idle"}, false},
        {"more than it", {.result = "idle timeout!"}, false},
        {"as long", {.longer_usec = 5000}, true},
        {"longer", {.longer_usec = 5001}, false},
        {"then", {.since_usec = NOW}, true},
        {"before", {.since_usec = NOW + 1}, false},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct session_line entry = make_line("192.0.2.7:1", "idle timeout", 5000);
        struct session_line line = make_line("192.0.2.7:1", "idle_timeout", 5000);

        check_number(rows[i].name, log_filter_takes(&rows[i].filter, &entry), rows[i].takes);
        check_number(rows[i].name, log_filter_takes(&rows[i].filter, &line), rows[i].takes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_since),  cmocka_unit_test(test_fractions),
        cmocka_unit_test(test_peers),  cmocka_unit_test(test_bad_peers),
        cmocka_unit_test(test_others),
    };

    return cmocka_run_group_tests(tests, set_zone, NULL);
}
