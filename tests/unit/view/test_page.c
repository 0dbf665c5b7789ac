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

static struct status_pool status_pool = {"echo", LISTENER, "ready", "", false};
static struct status_lack lack = {"web", "*:80", "<b>taken"};

static struct counters now = {
    .daemon = {.version = "0.1.0", .state = "running"}, .pools = &pool_full, .n = 1};
static struct status status = {.daemon = {.version = "0.1.0",
                                          .state = "running",
                                          .reload_problem = "",
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
    struct page page = {.machine = "host<1>", .status = &status, .now = &now};
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
    struct page page = {.machine = "h", .status = &status, .now = &now};
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
    struct page page = {.machine = "h", .status = &status, .now = &now};
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
    struct page page = {
        .machine = "h", .status = &status, .now = &now, .before = &before, .usec = 4000000};
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
    struct page page = {.machine = "h", .status = &status, .now = &now};
    char *html = print(&page, true);

    (void)state;
    check_has(html, "<ul><li>echo " ESCAPED " is at its maximum: 31 clients wait</li></ul></div>");
    free(html);
    pool_full.queue = 0;
    html = print(&page, true);
    check_has(html, "<div id=\"findings\" role=\"status\"></div>");
    free(html);
    pool_full.queue = 1;
    pool_full.is_throttled = true;
    status.daemon.reload_problem = "tcpd.conf:8: <x>";
    status_pool.node_text = "drained by root";
    status.lacks = &lack;
    status.n_lacks = 1;
    html = print(&page, true);
    check_form("findings", html);
    check_has(html, "<ul><li>The last reload was refused: tcpd.conf:8: &lt;x&gt;</li><li>echo ");
    check_has(html, "is at its maximum: 1 client waits</li>");
    check_has(html, ": workers have died early, and starts wait</li>");
    check_has(html, ": drained by root</li><li>web *:80 is not served: &lt;b&gt;taken</li></ul>");
    check_has(html, "<td class=\"text\">throttled</td>");
    free(html);
    pool_full.is_throttled = false;
    pool_full.queue = 31;
    status.daemon.reload_problem = status_pool.node_text = "";
    status.n_lacks = 0;
}

// What a worker's page of garbage could make of the numbers.
static void test_garbage(void **state)
{
    struct counters_pool pool;
    const struct counters garbage = {.daemon = now.daemon, .pools = &pool, .n = 1};
    struct page page = {.machine = "h", .status = &status, .now = &garbage};
    char *html;

    (void)state;
    memset(&pool, 0xff, sizeof(pool));
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
    const struct status empty = {.daemon = {.version = "", .state = "", .reload_problem = ""}};
    struct page page = {.machine = "", .status = &empty, .now = &none};
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
        cmocka_unit_test(test_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
