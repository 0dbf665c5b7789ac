// SPDX-License-Identifier: MIT
// status_request.c: what is wanted, by path, query and Accept; who is refused, and why.

#include "status/status_request.h"

#include "unit.h"

static char name_one[] = "status.example", name_two[] = "other";
static char *names[] = {name_one, name_two, NULL};
static const struct text_list hosts = {.items = names, .n = 2};

// Makes a request of its first line's target and its fields.
static struct http_request request_of(const char *target, const char *fields, char text[2048])
{
    struct http_request request = {.is_page = true};
    int n = snprintf(text, 2048, "GET %s HTTP/1.1\r\n%s\r\n", target, fields);

    check_number(target, http_request_read(&request, text, (size_t)n), HTTP_WHOLE);
    return request;
}

static const struct {
    const char *target;
    int status;
    enum status_what what;
} paths[] = {
    {"/", 200, STATUS_PAGE},
    {"/part", 200, STATUS_PART},
    {"/metrics", 200, STATUS_METRICS},
    {"/json", 200, STATUS_JSON},
    {"/healthz", 200, STATUS_HEALTH},
    {"/status.js", 200, STATUS_SCRIPT},
    {"/status.css", 200, STATUS_STYLE},
    {"/status.svg", 200, STATUS_ICON},
    {"/?", 200, STATUS_PAGE},
    {"/metrics?", 200, STATUS_METRICS},
    {"/?service=a", 200, STATUS_PAGE},
    {"//", 404, 0},
    {"/../", 404, 0},
    {"/metrics/", 404, 0},
    {"/metrics/../json", 404, 0},
    {"/Metrics", 404, 0},
    {"/%6detrics", 404, 0},
    {"/%00", 404, 0},
    {"/favicon.ico", 404, 0},
    {"/?histograms=0", 400, 0},
    {"/json?service=a", 400, 0},
    {"/healthz?service=a", 400, 0},
    {"/metrics?services=a", 400, 0},
    {"/metrics?service", 400, 0},
    {"/metrics?histograms=2", 400, 0},
    {"/metrics?histograms=", 400, 0},
    {"/metrics?=", 400, 0},
    {"/metrics?service=%00", 400, 0},
    {"/metrics?service=%0", 400, 0},
    {"/metrics?service=%", 400, 0},
    {"/metrics?service=%zz", 400, 0},
    {"/metrics?service=a%20b", 400, 0},
    {"/metrics?service=%ff", 400, 0},
    {"/metrics?service=a?service=b", 200, STATUS_METRICS},
};

static void test_paths(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(paths); i++) {
        char text[2048];
        struct http_request request = request_of(paths[i].target, "Host: localhost\r\n", text);
        struct status_wish wish;
        const char *why = NULL;

        check_number(paths[i].target, status_request_judge(&request, &hosts, &wish, &why),
                     paths[i].status);
        if (paths[i].status == 200)
            check_number(paths[i].target, wish.what, paths[i].what);
        else
            check_true(paths[i].target, why != NULL && why[0] != '\0');
    }
}

static const struct {
    const char *host;
    int status;
} its_hosts[] = {
    {"localhost", 200},
    {"LOCALHOST:7979", 200},
    {"127.0.0.1", 200},
    {"127.0.0.1:7979", 200},
    {"192.0.2.7:1", 200},
    {"[::1]:7979", 200},
    {"[2001:db8::7]", 200},
    {"status.example", 200},
    {"Status.Example:80", 200},
    {"other", 200},
    {"localhost.evil", 421},
    {"localhost.", 421},
    {"evil.localhost", 421},
    {"127.0.0.1.evil", 421},
    {"status.example.evil", 421},
    {"evil-status.example", 421},
    {"status", 421},
    {"127.1", 421},
    {"2130706433", 421},
    {"", 400},
    {":7979", 400},
    {"::1", 400},
    {"[::1", 400},
    {"[localhost]", 400},
    {"localhost:", 400},
    {"localhost:x", 400},
    {"localhost:65536", 400},
    {"localhost@evil", 400},
    {"localhost evil", 400},
    {"localhost/evil", 400},
    {"localhost,evil", 400},
};

static void test_hosts(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(its_hosts); i++) {
        char text[2048], field[256];
        struct http_request request;
        struct status_wish wish;
        const char *why = NULL;

        (void)snprintf(field, sizeof(field), "Host: %s\r\n", its_hosts[i].host);
        request = request_of("/", field, text);
        check_number(its_hosts[i].host, status_request_judge(&request, &hosts, &wish, &why),
                     its_hosts[i].status);
    }
    // Only HTTP/1.0 comes without one, and no browser speaks it.
    {
        static const char text[] = "GET /healthz HTTP/1.0\r\n\r\n";
        struct http_request request = {.is_page = true};
        struct status_wish wish;
        const char *why = NULL;

        check_number("1.0", http_request_read(&request, text, strlen(text)), HTTP_WHOLE);
        check_number("1.0", status_request_judge(&request, &hosts, &wish, &why), 200);
    }
}

static const struct {
    const char *fields;
    bool is_open;
} accepts[] = {
    {"", false},
    {"Accept: */*\r\n", false},
    {"Accept: text/plain;version=0.0.4\r\n", false},
    {"Accept: application/openmetrics-text\r\n", true},
    {"Accept: Application/OpenMetrics-Text; Version=1.0.0; charset=utf-8\r\n", true},
    {"Accept: application/openmetrics-text;version=0.0.1\r\n", true},
    {"Accept: text/plain, application/openmetrics-text;version=1.0.0;q=0.5\r\n", true},
    {"Accept: text/plain\r\naccept: application/openmetrics-text\r\n", true},
    {"Accept: application/openmetrics-text;version=2.0.0\r\n", false},
    {"Accept: application/openmetrics-text;version=2.0.0,"
     "application/openmetrics-text;version=1.0.0\r\n",
     true},
    {"Accept: application/openmetrics-text;q=0\r\n", false},
    {"Accept: application/openmetrics-text ; q=0.000\r\n", false},
    {"Accept: application/openmetrics-text;q=0.001\r\n", true},
    {"Accept: application/openmetrics-textual\r\n", false},
    {"Accept: application/openmetrics-text;version=\r\n", false},
    {"Accept: application/openmetrics-text;;\r\n", true},
    {"Accept: ;,;\r\n", false},
    // Prometheus 2.42.
    {"Accept: application/openmetrics-text;version=1.0.0,application/openmetrics-text;"
     "version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1\r\n",
     true},
};

static void test_accept(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(accepts); i++) {
        char text[2048], fields[1024];
        struct http_request request;
        struct status_wish wish;
        const char *why = NULL;

        (void)snprintf(fields, sizeof(fields), "Host: localhost\r\n%s", accepts[i].fields);
        request = request_of("/metrics", fields, text);
        check_number(fields, status_request_judge(&request, &hosts, &wish, &why), 200);
        check_true(fields, wish.is_open == accepts[i].is_open);
        request = request_of("/json", fields, text);
        check_number(fields, status_request_judge(&request, &hosts, &wish, &why), 200);
        check_true(fields, !wish.is_open);
    }
}

static const struct {
    const char *query;
    bool without_histograms;
    const char *wanted; // "a b" of a, b and c
} queries[] = {
    {"", false, "abc"},
    {"histograms=1", false, "abc"},
    {"histograms=0", true, "abc"},
    {"service=a", false, "a"},
    {"service=a,b", false, "ab"},
    {"service=a%2Cb", false, "ab"},
    {"service=a%2cb&histograms=0", true, "ab"},
    {"service=a&service=c", false, "ac"},
    {"service=%61", false, "a"},
    {"service=aa", false, ""},
    {"service=", false, ""},
    {"service=,", false, ""},
    {"service=,a,", false, "a"},
    {"service=d", false, ""},
    {"&service=a", false, NULL},
    {"service=a&", false, "a"},
};

static void test_queries(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(queries); i++) {
        char text[2048], target[256], found[4] = "";
        struct http_request request;
        struct status_wish wish;
        const char *why = NULL, *row = queries[i].query;
        int status;

        (void)snprintf(target, sizeof(target), "/metrics?%s", row);
        request = request_of(target, "Host: localhost\r\n", text);
        status = status_request_judge(&request, &hosts, &wish, &why);
        check_number(row, status, queries[i].wanted ? 200 : 400);
        if (!queries[i].wanted)
            continue;
        check_true(row, wish.without_histograms == queries[i].without_histograms);
        for (char c = 'a'; c <= 'c'; c++)
            if (status_wish_has(&wish, (char[]){c, '\0'}))
                found[strlen(found)] = c;
        check_text(row, found, queries[i].wanted);
    }
}

// As many bytes as a line can have.
static void test_long_query(void **state)
{
    struct http_request request = {.is_page = true};
    struct status_wish wish;
    char text[HTTP_LINE_MAX + 64], name[HTTP_LINE_MAX];
    const char *why = NULL;
    size_t n, at = 0;

    (void)state;
    n = (size_t)sprintf(text, "GET /metrics?service=%0*d HTTP/1.1\r\n", HTTP_LINE_MAX - 32, 0);
    check_number("line", n, HTTP_LINE_MAX);
    n += (size_t)sprintf(text + n, "Host: h\r\n\r\n");
    check_number("long", http_request_read(&request, text, n), HTTP_WHOLE);
    check_number("long", status_request_judge(&request, &hosts, &wish, &why), 421);
    request.host = (struct http_text){.data = "[::1]", .length = 5};
    check_number("long", status_request_judge(&request, &hosts, &wish, &why), 200);
    check_number("name", strlen(status_wish_next(&wish, &at, name)), HTTP_LINE_MAX - 32);
    assert_null(status_wish_next(&wish, &at, name));
}

static void test_names(void **state)
{
    static const struct {
        const char *text;
        bool is_name;
    } rows[] = {{"a", true},    {"status.example.org", true}, {"a_b-c", true},  {"", false},
                {"a:1", false}, {"127.0.0.1", false},         {"[::1]", false}, {"*", false},
                {"a b", false}, {"http://a", false},          {"a/", false}};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++)
        check_true(rows[i].text, status_host_is_name(rows[i].text) == rows[i].is_name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),      cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_accept),     cmocka_unit_test(test_queries),
        cmocka_unit_test(test_long_query), cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
