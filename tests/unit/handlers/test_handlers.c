// SPDX-License-Identifier: MIT
// handlers/: what each sends, byte by byte, over unix sockets and over TCP. hello has a test of its
// own, the greeting's file is in test_greeting_config.c.

#include <arpa/inet.h>
#include <time.h>

#include "serve.h"

#define MEGABYTE (1024 * 1024)

static const struct {
    const char *name;
    size_t size, piece, read_piece;
} echoes[] = {
    {"nothing", 0, 0, 0},
    {"a byte", 1, 0, 0},
    {"every byte value, one at a time", 256, 1, 0},
    {"64 KiB", 64 * 1024, 0, 0},
    {"64 KiB and a byte", 64 * 1024 + 1, 0, 0},
    {"1 MB", MEGABYTE, 0, 0},
    {"1 MB in odd pieces", MEGABYTE, 7919, 0},
    {"1 MB in odd pieces both ways", MEGABYTE, 7919, 10007},
};

static void test_echo(void **state)
{
    struct service service = service_make("echo", NULL);
    cleanup_free uint8_t *text = malloc(MEGABYTE);

    (void)state;
    for (size_t i = 0; i < MEGABYTE; i++)
        text[i] = (uint8_t)(i ^ i >> 8 ^ i >> 16);
    for (int kind = 0; kind < PAIR_KINDS; kind++)
        for (size_t i = 0; i < ELEMENTS(echoes); i++) {
            struct peer peer = {.text = text,
                                .n_text = echoes[i].size,
                                .piece = echoes[i].piece,
                                .read_piece = echoes[i].read_piece,
                                .half_close = true};
            struct tcpd_session session = serve_peer((enum pair_kind)kind, &service, &peer);

            check_served(echoes[i].name, &session, &peer, SESSION_OK, text, echoes[i].size);
            check_number(echoes[i].name, session.bytes_in, echoes[i].size);
            free(peer.got);
        }
    config_service_done(&service);
}

static void test_discard(void **state)
{
    struct service service = service_make("discard", NULL);
    cleanup_free uint8_t *text = calloc(1, MEGABYTE);

    (void)state;
    for (int kind = 0; kind < PAIR_KINDS; kind++) {
        struct peer peer = {.text = text, .n_text = MEGABYTE, .half_close = true};
        struct tcpd_session session = serve_peer((enum pair_kind)kind, &service, &peer);

        check_served(pair_names[kind], &session, &peer, SESSION_OK, "", 0);
        check_number(pair_names[kind], session.bytes_in, MEGABYTE);
        free(peer.got);
    }
    config_service_done(&service);
}

// Line by line as RFC 864 shows it: a window that moves along the ring of printing characters.
static void check_pattern(const char *row, const uint8_t *text, size_t n)
{
    static const char ring[] = " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`"
                               "abcdefghijklmnopqrstuvwxyz{|}~ !\"#$%&'()*+,-./0123456789:;<=>?@ABC"
                               "DEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~";
    char line[75];

    for (size_t i = 0; i < n; i += 74) {
        char where[64];
        size_t length = n - i < 74 ? n - i : 74; // the last one may be cut

        (void)snprintf(line, sizeof(line), "%.72s\r\n", ring + i / 74 % 95);
        (void)snprintf(where, sizeof(where), "%s, line %zu", row, i / 74);
        check_bytes(where, text + i, length, line, length);
    }
}

// The peer ends its side at once, or a good while and many blocks later.
static void test_chargen(void **state)
{
    static const unsigned pauses_ms[] = {0, 20};
    struct service service = service_make("chargen", NULL);

    (void)state;
    for (int kind = 0; kind < PAIR_KINDS; kind++)
        for (size_t i = 0; i < ELEMENTS(pauses_ms); i++) {
            struct peer peer = {.text = "12345",
                                .n_text = 5,
                                .piece = 1,
                                .send_pause_ms = pauses_ms[i],
                                .read_pause_ms = pauses_ms[i] / 4,
                                .half_close = true};
            struct tcpd_session session = serve_peer((enum pair_kind)kind, &service, &peer);

            check_true(pair_names[kind], peer.n_got >= UINT64_C(200) * 74);
            check_pattern(pair_names[kind], peer.got, peer.n_got);
            check_served(pair_names[kind], &session, &peer, SESSION_OK, peer.got, peer.n_got);
            check_number(pair_names[kind], session.bytes_in, 5);
            free(peer.got);
        }
    config_service_done(&service);
}

// As handlers look at the clock: time(2) is some milliseconds behind at a second's edge.
static uint64_t now(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_REALTIME, &time);
    return (uint64_t)time.tv_sec;
}

static void test_time(void **state)
{
    struct service service = service_make("time", NULL);

    (void)state;
    for (int kind = 0; kind < PAIR_KINDS; kind++) {
        struct peer peer = {.text = "unread", .n_text = 6};
        uint64_t before = now(), got;
        struct tcpd_session session = serve_peer((enum pair_kind)kind, &service, &peer);
        uint32_t seconds;

        check_served(pair_names[kind], &session, &peer, SESSION_OK, peer.got, 4);
        memcpy(&seconds, peer.got, sizeof(seconds));
        got = (uint64_t)ntohl(seconds) - UINT64_C(2208988800); // RFC 868: 1 Jan 1970 00:00 GMT
        check_true(pair_names[kind], got >= before && got <= now());
        free(peer.got);
    }
    config_service_done(&service);
}

static const struct {
    const char *name, *zone;
    const char *format;
    int offset_min; // east of Greenwich
    const char *end;
} dates[] = {
    {"RFC 867", "UTC0", "rfc867", 0, "-UTC\r\n"},
    {"RFC 867, west", "NST3:30", "rfc867", -210, "-NST\r\n"},
    {"ISO 8601", "UTC0", "iso8601", 0, "+00:00\r\n"},
    {"ISO 8601, east", "IST-5:30", "iso8601", 330, "+05:30\r\n"},
    {"ISO 8601, west", "NST3:30", "iso8601", -210, "-03:30\r\n"},
    {"ISO 8601, little west", "ODD0:15", "iso8601", -15, "-00:15\r\n"},
    {"ISO 8601, far east", "ODD-14", "iso8601", 840, "+14:00\r\n"},
};

// By hand and from UTC: no strftime, no zone.
static void write_date(size_t i, time_t now, char *text, size_t size)
{
    static const char *const days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                       "Thursday", "Friday", "Saturday"};
    static const char *const months[] = {"January",   "February", "March",    "April",
                                         "May",       "June",     "July",     "August",
                                         "September", "October",  "November", "December"};
    struct tm tm;

    now += dates[i].offset_min * 60;
    (void)gmtime_r(&now, &tm);
    if (strcmp(dates[i].format, "iso8601") == 0)
        (void)snprintf(text, size, "%04d-%02d-%02dT%02d:%02d:%02d%s", tm.tm_year + 1900,
                       tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, dates[i].end);
    else
        (void)snprintf(text, size, "%s, %s %02d, %d %02d:%02d:%02d%s", days[tm.tm_wday],
                       months[tm.tm_mon], tm.tm_mday, tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
                       tm.tm_sec, dates[i].end);
}

static void test_daytime(void **state)
{
    struct problems problems = {0};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(dates); i++) {
        const char *const settings[] = {"format", dates[i].format, NULL};
        struct service service = service_make("daytime", settings);
        struct peer peer = {.half_close = true};
        time_t before, after;
        char want[128] = "";
        struct tcpd_session session;

        assert_int_equal(setenv("TZ", dates[i].zone, 1), 0);
        handler_daytime.prepare(&service, NULL, &problems);
        before = (time_t)now();
        session = serve_peer((enum pair_kind)(i % 2), &service, &peer);
        after = (time_t)now();
        for (; before <= after; before++) { // a second may have ended meanwhile
            write_date(i, before, want, sizeof(want));
            if (peer.n_got == strlen(want) && memcmp(peer.got, want, peer.n_got) == 0)
                break;
        }
        check_served(dates[i].name, &session, &peer, SESSION_OK, want, strlen(want));
        free(peer.got);
        config_service_done(&service);
    }
    check_number("problems", problems.n, 0);
    assert_int_equal(unsetenv("TZ"), 0);
    tzset();
}

static const struct {
    const char *name, *message;
    const char *end;
    const char *want;
    size_t n_want;
} greetings[] = {
    {"as it is", "http://c.biancheng.net/socket/", "none", "http://c.biancheng.net/socket/", 30},
    {"CRLF", "hello", "crlf", "hello\r\n", 7},
    {"NUL", "hello", "nul", "hello\0", 6},
    {"empty", "", "none", "", 0},
    {"empty, NUL", "", "nul", "\0", 1},
    {"any bytes", "\x01\xff%s\n", "none", "\x01\xff%s\n", 5},
};

// The peer's input is not read, and the answer arrives all the same.
static void test_greeting(void **state)
{
    static const char unread[100000];

    (void)state;
    for (int kind = 0; kind < PAIR_KINDS; kind++)
        for (size_t i = 0; i < ELEMENTS(greetings); i++) {
            const char *const settings[] = {"message", greetings[i].message, "end",
                                            greetings[i].end, NULL};
            struct service service = service_make("greeting", settings);
            struct peer peer = {.text = unread, .n_text = sizeof(unread)};
            struct tcpd_session session = serve_peer((enum pair_kind)kind, &service, &peer);

            check_served(greetings[i].name, &session, &peer, SESSION_OK, greetings[i].want,
                         greetings[i].n_want);
            free(peer.got);
            config_service_done(&service);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo),    cmocka_unit_test(test_discard),
        cmocka_unit_test(test_chargen), cmocka_unit_test(test_time),
        cmocka_unit_test(test_daytime), cmocka_unit_test(test_greeting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
