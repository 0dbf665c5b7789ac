// SPDX-License-Identifier: MIT
// page.c: well-formed, whatever is shown; what is found, and what numbers become.

#include "view/page.h"

#include <stdlib.h>
#include <string.h>

#include "html_form.h"
#include "unit.h"

#define LISTENER "unix:/tmp/a\"b\\c<d>&\xc3\xa9"
#define ESCAPED  "unix:/tmp/a&quot;b\\c&lt;d&gt;&amp;\xc3\xa9"

static struct counters_pool pool_full = {
    .service = "echo",
    .listener = LISTENER,
    .begun = 1234,
    .received = 5000,
    .results = {.names = {"ok", "reset"}, .numbers = {1000, 7}, .n = 2},
    .refused = {.names = {"rule", "dry_run", "uncounted"}, .numbers = {3, 50, 60}, .n = 3},
    .workers = {.names = {"idle", "busy", "parked", "starting", "draining"},
                .numbers = {0, 4, 0, 0, 1},
                .n = 5},
    .duration = {.counts = {[3] = 90, [9] = 10}, .sum_usec = 1},
    .queue = 31,
    .queue_limit = 4096,
    .max = 4,
};

static struct status_pool status_pool = {"echo", LISTENER, "ready", false};
static struct finding found[] = {{"at_maximum", "echo", LISTENER, "31 clients wait", "resize <it>"},
                                 {"reload_refused", "", "", "tcpd.conf:8: <x>", ""},
                                 {"left_out", "web", "", "<b>taken", ""}};
static struct findings findings;
static struct session_row rows[30];
static struct sessions sessions = {.rows = rows, .n = ELEMENTS(rows)};

static struct counters now = {
    .daemon = {.version = "0.1.0", .state = "running"}, .pools = &pool_full, .n = 1};
static struct status status = {.daemon = {.version = "0.1.0",
                                          .state = "running",
                                          .uptime_usec = 273600000000,
                                          .generation = 7},
                               .pools = &status_pool,
                               .n_pools = 1};

static char *print(const struct page *page, bool is_part)
{
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);

    assert_non_null(stream);
    if (is_part)
        page_print_part(stream, page);
    else
        page_print(stream, page);
    assert_int_equal(fclose(stream), 0);
    return text;
}

static void check_form(const char *row, const char *html)
{
    const char *fault = html_fault(html);

    if (fault)
        fail_msg("%s: not well-formed at %.60s", row, fault);
}

static void check_has(const char *html, const char *wanted)
{
    if (!strstr(html, wanted))
        fail_msg("no %s in\n%s", wanted, html);
}

static void test_page(void **state)
{
    struct page page = {.machine = "host<1>",
                        .status = &status,
                        .findings = &findings,
                        .sessions = &sessions,
                        .now = &now};
    char *html = print(&page, false);

    (void)state;
    check_form("page", html);
    check_has(html, "<title>tcpd on host&lt;1&gt;</title>");
    check_has(html, "<noscript><meta http-equiv=\"refresh\" content=\"10\"></noscript>");
    check_has(
        html,
        "<strong class=\"running\">running</strong> · up 3d4h · version 0.1.0 · generation 7");
    check_has(html, "<th scope=\"row\">echo</th><td class=\"text\">" ESCAPED "</td>");
    check_has(html, "rates come with the next look");
    assert_null(strstr(html, LISTENER));
    assert_null(strstr(html, " style="));
    free(html);
}

static void test_part(void **state)
{
    struct page page = {.machine = "h",
                        .status = &status,
                        .findings = &findings,
                        .sessions = &sessions,
                        .now = &now};
    char *whole = print(&page, false), *part = print(&page, true);

    (void)state;
    check_form("part", part);
    part[strlen(part) - 1] = '\0'; // its LF
    check_has(whole, part);
    check_true("begin", strncmp(part, "<div id=\"findings\"", 18) == 0);
    free(whole);
    free(part);
}

static void test_numbers(void **state)
{
    struct page page = {.machine = "h",
                        .status = &status,
                        .findings = &findings,
                        .sessions = &sessions,
                        .now = &now};
    char *html = print(&page, true);

    (void)state;
    // busy, workers, maximum, queue, sessions; no rates; half, 99 of 100, none that waited; failed,
    // refused.
    check_has(html, "<td class=\"text\">at its maximum</td><td>4</td><td>4</td><td>4</td>"
                    "<td>31/4096</td><td>1234</td><td>–</td><td>–</td><td>–</td>"
                    "<td>≤ 1 ms</td><td>≤ 100 ms</td><td>–</td><td>7</td><td>3</td>");
    check_has(html, "<th scope=\"row\">1 ms</th><td>90</td>");
    check_has(html, "<th scope=\"row\">above</th><td>0</td>");
    free(html);
}

static void test_rates(void **state)
{
    struct counters_pool earlier = pool_full;
    const struct counters before = {.daemon = now.daemon, .pools = &earlier, .n = 1};
    struct page page = {.machine = "h",
                        .status = &status,
                        .findings = &findings,
                        .sessions = &sessions,
                        .now = &now,
                        .before = &before,
                        .usec = 4000000};
    char *html;

    (void)state;
    earlier.begun -= 10;
    earlier.received -= 4000;
    html = print(&page, true);
    check_has(html, "rates of the last 4.0s");
    check_has(html, "<td>1234</td><td>2.5</td><td>1.0K</td><td>0.0</td>");
    free(html);
}

static void test_findings(void **state)
{
    struct page page = {.machine = "h",
                        .status = &status,
                        .findings = &findings,
                        .sessions = &sessions,
                        .now = &now};
    char *html = print(&page, true);

    (void)state;
    check_has(html, "<div id=\"findings\" role=\"status\"></div>");
    free(html);
    findings = (struct findings){.items = found, .n = ELEMENTS(found)};
    html = print(&page, true);
    findings = (struct findings){0};
    check_form("findings", html);
    check_has(html,
              "<ul><li>echo " ESCAPED ": 31 clients wait → <span class=\"advice\">resize "
              "&lt;it&gt;</span></li><li>tcpd.conf:8: &lt;x&gt;</li><li>web: &lt;b&gt;taken</li>"
              "</ul></div>");
    free(html);
}

static void test_states(void **state)
{
    struct page page = {.machine = "h",
                        .status = &status,
                        .findings = &findings,
                        .sessions = &sessions,
                        .now = &now};
    static const struct {
        bool is_throttled, is_paused;
        const char *text;
    } cases[] = {
        {false, false, "at its maximum"}, {true, false, "throttled"}, {true, true, "paused"}};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        char *html, wanted[64];

        pool_full.is_throttled = cases[i].is_throttled;
        pool_full.is_paused = cases[i].is_paused;
        html = print(&page, true);
        (void)snprintf(wanted, sizeof(wanted), "<td class=\"text\">%s</td>", cases[i].text);
        check_has(html, wanted);
        free(html);
    }
    pool_full.is_throttled = pool_full.is_paused = false;
}

// The longest, and how many there are; addresses are texts like any other.
static void test_sessions(void **state)
{
    struct page page = {.machine = "h",
                        .status = &status,
                        .findings = &findings,
                        .sessions = &sessions,
                        .now = &now};
    char *html = print(&page, true);

    (void)state;
    check_has(html, "<caption>0 sessions</caption>");
    free(html);
    for (size_t i = 0; i < ELEMENTS(rows); i++)
        rows[i] = (struct session_row){.pid = 7,
                                       .number = i + 1,
                                       .service = "echo",
                                       .listener = LISTENER,
                                       .peer = i == 0 ? "" : "<1>",
                                       .through = "",
                                       .doing = "reading",
                                       .age_usec = 42000000,
                                       .received = 1200,
                                       .sent = 5};
    page.n_sessions = ELEMENTS(rows);
    html = print(&page, true);
    check_form("sessions", html);
    check_has(html, "<caption>30 sessions; the longest 20</caption>");
    check_has(html,
              "<th scope=\"row\">7.1</th><td class=\"text\">echo</td><td class=\"text\">" ESCAPED
              "</td><td class=\"text\">–</td><td class=\"text\">reading</td><td>42s</td>"
              "<td>1.2K</td><td>5</td></tr>");
    check_has(html, "<td class=\"text\">&lt;1&gt;</td>");
    check_has(html, ">7.20</th>");
    assert_null(strstr(html, ">7.21</th>"));
    free(html);
    page.n_sessions = 1;
    html = print(&page, true);
    check_has(html, "<caption>1 session</caption>");
    free(html);
}

// What a worker's page of garbage could make of the numbers.
static void test_garbage(void **state)
{
    struct counters_pool pool;
    const struct counters garbage = {.daemon = now.daemon, .pools = &pool, .n = 1};
    struct page page = {.machine = "h",
                        .status = &status,
                        .findings = &findings,
                        .sessions = &sessions,
                        .now = &garbage};
    char *html;

    (void)state;
    memset(&pool, 0xff, sizeof(pool));
    pool.accepts_itself = false;
    pool.is_throttled = pool.is_paused = pool.is_resized = false; // 255 is no bool
    pool.service = "";
    pool.listener = "\x01";
    pool.results = pool.refused = pool.exits = (struct counters_list){0};
    pool.workers = pool_full.workers;
    for (size_t i = 0; i < pool.workers.n; i++)
        pool.workers.numbers[i] = UINT64_MAX;
    for (pool.max = 0; pool.max <= 30000; pool.max += 30000) {
        html = print(&page, false);
        check_form("garbage", html);
        free(html);
    }
}

// Nothing is served but this.
static void test_nothing(void **state)
{
    const struct counters none = {.daemon = {.version = "", .state = ""}};
    const struct status empty = {.daemon = {.version = "", .state = ""}};
    struct page page = {.machine = "",
                        .status = &empty,
                        .findings = &findings,
                        .sessions = &sessions,
                        .now = &none};
    char *html = print(&page, false);

    (void)state;
    check_form("nothing", html);
    free(html);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_page),     cmocka_unit_test(test_part),
        cmocka_unit_test(test_numbers),  cmocka_unit_test(test_rates),
        cmocka_unit_test(test_findings), cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_nothing),  cmocka_unit_test(test_states),
        cmocka_unit_test(test_sessions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
