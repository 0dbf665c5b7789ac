// SPDX-License-Identifier: MIT
// metrics.c: both formats, line for line where it matters; names that need escapes.

#include "view/metrics.h"

#include <stdlib.h>
#include <string.h>

#include "unit.h"

static struct counters_pool pool = {
    .service = "echo",
    .listener = "unix:/tmp/a\"b\\c\nd",
    .begun = 12,
    .slow = 5,
    .received = 34,
    .results = {.names = {"ok", "first byte timeout"}, .numbers = {10, 1}, .n = 2},
    .duration = {.counts = {3, 0, 1, [HISTOGRAM_BOUNDS] = 2}, .sum_usec = 1234567},
    .lost = {.names = {"reader"}, .numbers = {7}, .n = 1},
    .full_usec = 2500000,
    .is_throttled = true,
};
static const struct counters one = {
    .daemon = {.version = "0.1.0",
               .state = "running",
               .started_usec = 1764000000125000,
               .reloads = {.names = {"done"}, .numbers = {4}, .n = 1}},
    .pools = &pool,
    .n = 1};

// The text, the caller's.
static char *print(enum metrics_format format, const struct counters *counters)
{
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);

    assert_non_null(stream);
    metrics_print(stream, format, counters);
    assert_int_equal(fclose(stream), 0);
    return text;
}

static void check_lines(enum metrics_format format, const struct counters *counters,
                        const char *const *lines)
{
    char *text = print(format, counters);

    for (; *lines; lines++) {
        const char *found = strstr(text, *lines);

        if (!found || (found != text && found[-1] != '\n'))
            fail_msg("no line %s in\n%s", *lines, text);
    }
    free(text);
}

#define LISTENER "listener=\"unix:/tmp/a\\\"b\\\\c\\nd\""
#define LABELS   "{service=\"echo\"," LISTENER

static void test_text(void **state)
{
    static const char *const lines[] = {
        "tcpd_up 1\n",
        "# TYPE tcpd_build_info gauge\ntcpd_build_info{version=\"0.1.0\"} 1\n",
        "tcpd_start_time_seconds 1764000000.125000\n",
        "tcpd_state{tcpd_state=\"running\"} 1\n",
        "tcpd_state{tcpd_state=\"stopping\"} 0\n",
        "# TYPE tcpd_reloads_total counter\ntcpd_reloads_total{outcome=\"done\"} 4\n",
        "# TYPE tcpd_sessions_total counter\n",
        "tcpd_sessions_total" LABELS ",result=\"first_byte_timeout\"} 1\n",
        "tcpd_sessions_begun_total" LABELS "} 12\n",
        "# TYPE tcpd_sessions_slow_total counter\ntcpd_sessions_slow_total" LABELS "} 5\n",
        "tcpd_log_records_lost_total" LABELS ",reason=\"reader\"} 7\n",
        "tcpd_received_bytes_total" LABELS "} 34\n",
        "# TYPE tcpd_session_duration_seconds histogram\n",
        "tcpd_session_duration_seconds_bucket" LABELS ",le=\"0.0001\"} 3\n",
        "tcpd_session_duration_seconds_bucket" LABELS ",le=\"0.0002\"} 3\n",
        "tcpd_session_duration_seconds_bucket" LABELS ",le=\"0.0005\"} 4\n",
        "tcpd_session_duration_seconds_bucket" LABELS ",le=\"1.0\"} 4\n",
        "tcpd_session_duration_seconds_bucket" LABELS ",le=\"50000.0\"} 4\n",
        "tcpd_session_duration_seconds_bucket" LABELS ",le=\"+Inf\"} 6\n",
        "tcpd_session_duration_seconds_count" LABELS "} 6\n",
        "tcpd_session_duration_seconds_sum" LABELS "} 1.234567\n",
        "tcpd_pool_at_maximum_seconds_total" LABELS "} 2.500000\n",
        "tcpd_pool_throttled" LABELS "} 1\n",
        NULL};
    char *text;

    (void)state;
    check_lines(METRICS_TEXT, &one, lines);
    text = print(METRICS_TEXT, &one);
    assert_null(strstr(text, "# UNIT"));
    assert_null(strstr(text, "# EOF"));
    free(text);
}

static void test_open(void **state)
{
    static const char *const lines[] = {
        "# TYPE tcpd_build info\ntcpd_build_info{version=\"0.1.0\"} 1\n",
        "# TYPE tcpd_state stateset\n",
        "# TYPE tcpd_sessions counter\n",
        "tcpd_sessions_total" LABELS ",result=\"ok\"} 10\n",
        "# TYPE tcpd_received_bytes counter\n# UNIT tcpd_received_bytes bytes\n",
        "# TYPE tcpd_session_duration_seconds histogram\n"
        "# UNIT tcpd_session_duration_seconds seconds\n",
        "# EOF\n",
        NULL};
    char *text;

    (void)state;
    check_lines(METRICS_OPEN, &one, lines);
    text = print(METRICS_OPEN, &one);
    assert_string_equal(text + strlen(text) - strlen("# EOF\n"), "# EOF\n");
    free(text);
}

static void test_nobody(void **state)
{
    static const struct counters without = {.daemon = {.version = "", .state = ""}};
    char *text = print(METRICS_TEXT, NULL);

    (void)state;
    assert_string_equal(text, "# HELP tcpd_up 1 where tcpd answers.\n# TYPE tcpd_up gauge\n"
                              "tcpd_up 0\n");
    free(text);
    text = print(METRICS_OPEN, &without);
    assert_null(strstr(text, "tcpd_sessions"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_text), cmocka_unit_test(test_open),
                                       cmocka_unit_test(test_nobody)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
