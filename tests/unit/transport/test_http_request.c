// SPDX-License-Identifier: MIT
// http_request.c: what is whole, what is refused with which status, and at which byte; however it
// was cut, the answer is the same. A good request, with each byte removed, doubled and replaced.

#include "transport/http_request.h"
#include "unit.h"

#define LINE "GET / HTTP/1.1\r\n"
#define HOST "Host: h\r\n"
#define END  "\r\n"

static const struct {
    const char *name, *text;
    size_t length; // 0: strlen
    int status;
    size_t at; // how many bytes it takes to say so; 0: all
} rows[] = {
    {"the least", LINE HOST END, 0, HTTP_WHOLE, 0},
    {"nothing", "", 0, HTTP_MORE, 0},
    {"not yet", LINE HOST, 0, HTTP_MORE, 0},
    {"with frames behind", LINE HOST END "\x81\x80", 0, HTTP_WHOLE, 27},
    {"a second request", LINE HOST END LINE HOST END, 0, HTTP_WHOLE, 27},
    {"spaces around a value", LINE "Host: \t h \t\r\n" END, 0, HTTP_WHOLE, 0},
    {"no space", LINE "Host:h\r\n" END, 0, HTTP_WHOLE, 0},
    {"an empty value", LINE HOST "A:\r\n" END, 0, HTTP_WHOLE, 0},
    {"a value of any bytes", LINE HOST "A: \x80\xff\t!\r\n" END, 0, HTTP_WHOLE, 0},
    {"no body", LINE HOST "Content-Length: 0\r\n" END, 0, HTTP_WHOLE, 0},

    {"no Host", LINE END, 0, 400, 0},
    {"two", LINE HOST HOST, 0, 400, 0},
    {"two of another case", LINE HOST "hOST: h\r\n", 0, 400, 0},
    {"a body", LINE HOST "Content-Length: 5\r\n", 0, 400, 0},
    {"a length of 00", LINE "Content-Length: 00\r\n", 0, 400, 0},
    {"a length of +0", LINE "Content-Length: +0\r\n", 0, 400, 0},
    {"two lengths", LINE "Content-Length: 0\r\nContent-Length: 5\r\n", 0, 400, 0},
    {"a coding", LINE "Transfer-Encoding: chunked\r\n", 0, 400, 0},
    {"a folded line", LINE HOST " more\r\n", 0, 400, 0},
    {"a folded first field", LINE " Host: h\r\n", 0, 400, 0},
    {"a space before the colon", LINE "Host : h\r\n", 0, 400, 0},
    {"no colon", LINE "Host\r\n", 0, 400, 0},
    {"no name", LINE ": h\r\n", 0, 400, 0},
    {"a name that is no token", LINE "Ho(st: h\r\n", 0, 400, 0},
    {"an 8-bit name", LINE "Ho\x80st: h\r\n", 0, 400, 0},
    {"a NUL", LINE "Host: a\0b\r\n" END, 28, 400, 24},
    {"DEL",
     LINE "Host: a\x7f"
          "b\r\n",
     0, 400, 24},
    {"LF alone", LINE "Host: h\n", 0, 400, 0},
    {"LF behind the first line", "GET / HTTP/1.1\n", 0, 400, 0},
    {"CR alone", LINE "Host: h\rA: b\r\n", 0, 400, 25},
    {"CR CR LF", LINE "Host: h\r\r\n", 0, 400, 25},
    {"CRLF before it", END LINE HOST END, 0, 400, 2},

    {"two spaces", "GET  / HTTP/1.1\r\n", 0, 400, 0},
    {"a space behind", "GET / HTTP/1.1 \r\n", 0, 400, 0},
    {"a space before", " GET / HTTP/1.1\r\n", 0, 400, 0},
    {"a tab", "GET\t/ HTTP/1.1\r\n", 0, 400, 4},
    {"no version", "GET /\r\n", 0, 400, 0},
    {"no target", "GET HTTP/1.1\r\n", 0, 400, 0},
    {"HTTP/1.0", "GET / HTTP/1.0\r\n", 0, 400, 0},
    {"HTTP/1.10", "GET / HTTP/1.10\r\n", 0, 400, 0},
    {"http/1.1", "GET / http/1.1\r\n", 0, 400, 0},
    {"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0, 400, 16},
    {"a whole address", "GET http://h/ HTTP/1.1\r\n" HOST END, 0, HTTP_WHOLE, 0},
    {"one without a path", "GET HTTPS://h HTTP/1.1\r\n" HOST END, 0, HTTP_WHOLE, 0},
    {"one and no Host", "GET http://h/ HTTP/1.1\r\n" END, 0, 400, 0},
    {"one and two Hosts", "GET http://h/ HTTP/1.1\r\n" HOST HOST, 0, 400, 0},
    {"one without a host", "GET http:///x HTTP/1.1\r\n", 0, 400, 0},
    {"one with a query alone", "GET http://?x HTTP/1.1\r\n", 0, 400, 0},
    {"a scheme alone", "GET http:// HTTP/1.1\r\n", 0, 400, 0},
    {"one with a fragment", "GET http://h/#f HTTP/1.1\r\n", 0, 400, 0},
    {"one slash", "GET http:/h/ HTTP/1.1\r\n", 0, 400, 0},
    {"another scheme", "GET ftp://h/ HTTP/1.1\r\n", 0, 400, 0},
    {"a host alone", "GET h/ HTTP/1.1\r\n", 0, 400, 0},
    {"a relative one", "GET x HTTP/1.1\r\n", 0, 400, 0},
    {"a star", "GET * HTTP/1.1\r\n", 0, 400, 0},
    {"a fragment", "GET /#f HTTP/1.1\r\n", 0, 400, 0},
    {"an 8-bit target", "GET /\xc3\xa4 HTTP/1.1\r\n", 0, 400, 0},
    {"a method that is no token", "G(T / HTTP/1.1\r\n", 0, 400, 0},
    {"TLS", "\x16\x03\x01\x02", 0, 400, 1},

    {"POST", "POST / HTTP/1.1\r\n", 0, 405, 0},
    {"get", "get / HTTP/1.1\r\n", 0, 405, 0},
    {"CONNECT", "CONNECT h:80 HTTP/1.1\r\n", 0, 405, 0},
    {"OPTIONS", "OPTIONS * HTTP/1.1\r\n", 0, 405, 0},
};

// The same of a page, where that is another: how it differs from a WebSocket's.
static const struct {
    const char *name, *text;
    int status;
    bool is_head, is_old;
} pages[] = {
    {"GET", LINE HOST END, HTTP_WHOLE, false, false},
    {"HEAD", "HEAD / HTTP/1.1\r\n" HOST END, HTTP_WHOLE, true, false},
    {"no Host", LINE END, 400, false, false},
    {"HTTP/1.0", "GET / HTTP/1.0\r\n" END, HTTP_WHOLE, false, true},
    {"HEAD of 1.0", "HEAD / HTTP/1.0\r\n" HOST END, HTTP_WHOLE, true, true},
    {"two Hosts", "GET / HTTP/1.0\r\n" HOST HOST, 400, false, true},
    {"HTTP/0.9", "GET /\r\n", 400, false, false},
    {"HTTP/2", "PRI * HTTP/2.0\r\n", 400, false, false},
    {"head", "head / HTTP/1.1\r\n", 405, false, false},
    {"POST", "POST / HTTP/1.1\r\n", 405, false, false},
    {"a body", LINE HOST "Content-Length: 5\r\n", 413, false, false},
    {"a length of +0", LINE HOST "Content-Length: +0\r\n", 413, false, false},
    {"no body", LINE HOST "Content-Length: 0\r\n" END, HTTP_WHOLE, false, false},
    {"a coding", LINE HOST "Transfer-Encoding: chunked\r\n", 413, false, false},
};

static void test_pages(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(pages); i++) {
        struct http_request request = {.is_page = true};
        int status = HTTP_MORE;

        for (size_t n = 1; n <= strlen(pages[i].text) && status == HTTP_MORE; n++)
            status = http_request_read(&request, pages[i].text, n);
        check_number(pages[i].name, status, pages[i].status);
        check_true(pages[i].name, request.is_head == pages[i].is_head);
        check_true(pages[i].name, request.is_old == pages[i].is_old);
    }
}

// Reads a request as it comes in pieces; *ret_at: how many bytes had come.
static int read_in(const char *text, size_t length, size_t piece, struct http_request *request,
                   size_t *ret_at)
{
    int status = HTTP_MORE;

    *request = (struct http_request){0};
    for (*ret_at = 0; *ret_at < length && status == HTTP_MORE;) {
        *ret_at = *ret_at + piece < length ? *ret_at + piece : length;
        status = http_request_read(request, text, *ret_at);
    }
    return status;
}

static void check_status(const char *row, const char *text, size_t length, int wanted, size_t at)
{
    struct http_request request;
    size_t came;

    for (size_t piece = 1; piece <= 3; piece++)
        check_number(row, read_in(text, length, piece, &request, &came), wanted);
    check_number(row, read_in(text, length, length, &request, &came), wanted);
    check_number(row, read_in(text, length, 1, &request, &came), wanted);
    check_number(row, came, at);
    if (wanted == HTTP_WHOLE)
        check_number(row, request.n_seen, at);
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        size_t length = rows[i].length ? rows[i].length : strlen(rows[i].text);

        check_status(rows[i].name, rows[i].text, length, rows[i].status,
                     rows[i].at ? rows[i].at : length);
    }
}

// Lengths at their limits: the line with 4096 bytes, the head with 8192, 64 fields.
static void test_limits(void **state)
{
    static const struct {
        const char *name;
        size_t n_path, n_fields, n_value; // of the last field
        int status;
        size_t at;
    } limits[] = {
        {"a line of 4096", 4096 - 15, 0, 1, HTTP_WHOLE, 0},
        {"of 4097", 4096 - 14, 0, 1, 414, 4096},
        {"without end", 9000, 0, 1, 414, 4096},
        {"64 fields", 1, 63, 1, HTTP_WHOLE, 0},
        {"65", 1, 64, 1, 431, 0},
        {"a head of 8192", 1, 0, 8192 - 16 - 2 - 10 + 2, HTTP_WHOLE, 8192},
        {"of 8193", 1, 0, 8192 - 16 - 2 - 10 + 3, 431, 8192},
        {"with a field up to 8192", 1, 0, 8192 - 16 - 8, 431, 8192},
        {"without end", 1, 0, 9000, 431, 8192},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(limits); i++) {
        char text[20000];
        size_t n = (size_t)sprintf(text, "GET /%0*d HTTP/1.1\r\n", (int)limits[i].n_path - 1, 0);

        if (limits[i].n_path == 1)
            n = (size_t)sprintf(text, LINE);
        for (size_t j = 0; j < limits[i].n_fields; j++)
            n += (size_t)sprintf(text + n, "A: b\r\n");
        n += (size_t)sprintf(text + n, "Host: %0*d\r\n", (int)limits[i].n_value, 0);
        if (limits[i].status == HTTP_WHOLE || limits[i].at)
            n += (size_t)sprintf(text + n, END);
        check_status(limits[i].name, text, n, limits[i].status, limits[i].at ? limits[i].at : n);
    }
}

static void check_part(const char *row, struct http_text got, const char *wanted)
{
    check_true(row, (got.data != NULL) == (wanted != NULL));
    if (wanted)
        check_bytes(row, got.data, got.length, wanted, strlen(wanted));
}

static void test_parts(void **state)
{
    static const char text[] = "GET /a%20/b?x=1&y={?} HTTP/1.1\r\nHost:  h:80 \r\nA: 1\r\nb: ,x , "
                               "y,\r\na:2\r\n\r\nrest";
    struct http_request request;
    struct http_text list, element;
    size_t came, at = 0;

    (void)state;
    assert_int_equal(read_in(text, sizeof(text) - 1, 5, &request, &came), HTTP_WHOLE);
    check_part("path", request.path, "/a%20/b");
    check_part("query", request.query, "x=1&y={?}");
    check_part("host", request.host, "h:80");
    assert_string_equal(text + request.n_seen, "rest");
    assert_int_equal(request.n_fields, 4);
    check_part("first", http_request_next(&request, "a", &at)->value, "1");
    check_part("second", http_request_next(&request, "a", &at)->value, "2");
    assert_null(http_request_next(&request, "a", &at));
    at = 0;
    list = http_request_next(&request, "B", &at)->value;
    assert_true(http_list_next(&list, &element));
    check_part("x", element, "x");
    assert_true(http_list_next(&list, &element));
    check_part("y", element, "y");
    assert_false(http_list_next(&list, &element));
    assert_int_equal(read_in(LINE HOST END, strlen(LINE HOST END), 1, &request, &came), HTTP_WHOLE);
    check_part("no query", request.query, NULL);
    assert_int_equal(read_in("GET /? HTTP/1.1\r\n", 17, 1, &request, &came), HTTP_MORE);
    check_part("an empty query", request.query, "");
}

// RFC 9112, 3.2.2 and 3.3.
static void test_absolute_targets(void **state)
{
    static const struct {
        const char *target, *host, *path, *query; // query NULL: none
    } targets[] = {
        {"/x?y", "field:1", "/x", "y"},
        {"http://h/x?y", "h", "/x", "y"},
        {"HttpS://h:443/x", "h:443", "/x", NULL},
        {"http://[::1]:80/?", "[::1]:80", "/", ""},
        {"http://h", "h", "/", NULL},
        {"http://h?y/z", "h", "/", "y/z"},
        {"http://user@h/", "user@h", "/", NULL},
        {"http://h//http://other/?http://other/", "h", "//http://other/", "http://other/"},
        {"//h/x", "field:1", "//h/x", NULL},
    };

    (void)state;
    for (size_t i = 0; i < 2 * ELEMENTS(targets); i++) {
        const char *row = targets[i / 2].target;
        struct http_request request = {.is_page = i % 2};
        char text[256];
        int n = sprintf(text, "GET %s HTTP/1.1\r\nHost: field:1\r\n\r\n", row);

        check_number(row, http_request_read(&request, text, (size_t)n), HTTP_WHOLE);
        check_part(row, request.host, targets[i / 2].host);
        check_part(row, request.path, targets[i / 2].path);
        check_part(row, request.query, targets[i / 2].query);
    }
}

// RFC 9112, 3.2: who sends one that is malformed is refused, whatever the target says.
static void test_host_beside_absolute_target(void **state)
{
    static const struct {
        const char *host;
        int status;
    } hosts[] = {{"other", HTTP_WHOLE},
                 {"[::1]:80", HTTP_WHOLE},
                 {"", HTTP_WHOLE},
                 {"h:", HTTP_WHOLE},
                 {"a~b:080", HTTP_WHOLE},
                 {"a b", 400},
                 {"a/b", 400},
                 {"a@b", 400},
                 {"a\\b", 400},
                 {"\"h\"", 400}};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(hosts); i++) {
        struct http_request request = {.is_page = true};
        char text[256];
        int n = sprintf(text, "GET http://h/ HTTP/1.1\r\nHost: %s\r\n\r\n", hosts[i].host);

        check_number(hosts[i].host, http_request_read(&request, text, (size_t)n), hosts[i].status);
    }
}

// WB: nothing but a status comes of a request with a byte too few, too many or wrong; and when it
// still is one, its path, its Host and its fields are within it.
static void check_mutant(const char *text, size_t length)
{
    struct http_request whole, pieces;
    size_t came, also;
    int status = read_in(text, length, length, &whole, &came);

    check_number(text, read_in(text, length, 1, &pieces, &also), status);
    if (status > HTTP_WHOLE)
        check_true(text, status == 400 || status == 405);
    if (status != HTTP_WHOLE)
        return;
    check_true(text, whole.n_seen <= length && whole.n_seen == also);
    for (size_t i = 0; i < whole.n_fields; i++)
        check_true(text, whole.fields[i].value.data >= text &&
                             whole.fields[i].value.data + whole.fields[i].value.length <=
                                 text + whole.n_seen);
}

static void test_mutants(void **state)
{
    static const char good[] = "GET /chat?x HTTP/1.1\r\nHost: server:80\r\nUpgrade: websocket\r\n"
                               "Connection: Upgrade\r\nSec-WebSocket-Key: "
                               "dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://server\r\n"
                               "Sec-WebSocket-Version: 13\r\n\r\n";
    static const char others[] = {0, '\n', '\r', (char)0x80, ' ', ':', '\t'};
    size_t length = sizeof(good) - 1;
    char text[sizeof(good) + 1];

    (void)state;
    for (size_t i = 0; i < length; i++) {
        memcpy(text, good, i);
        memcpy(text + i, good + i + 1, length - i);
        check_mutant(text, length - 1);
        memcpy(text + i + 1, good + i, length - i + 1);
        text[i] = good[i];
        check_mutant(text, length + 1);
        for (size_t j = 0; j < sizeof(others); j++) {
            memcpy(text, good, sizeof(good));
            text[i] = others[j];
            check_mutant(text, length);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_absolute_targets),
        cmocka_unit_test(test_host_beside_absolute_target),
        cmocka_unit_test(test_mutants),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
