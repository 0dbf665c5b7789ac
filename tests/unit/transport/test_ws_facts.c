// SPDX-License-Identifier: MIT
// ws_facts.c: what of a request comes into an environment, and what does not.

#include "transport/websocket/ws_facts.h"
#include "unit.h"

#define HEAD "Host: here:7\r\n"

static const struct {
    const char *name, *head, *protocol;
    const char *want; // all entries, each with a newline
} rows[] = {
    {"least", "GET / HTTP/1.1\r\n" HEAD "\r\n", NULL,
     "REQUEST_URI=/\nPATH_INFO=/\nQUERY_STRING=\nHTTP_HOST=here:7\n"},
    {"query", "GET /a%20b?x=1&y=%00 HTTP/1.1\r\n" HEAD "\r\n", NULL,
     "REQUEST_URI=/a%20b?x=1&y=%00\nPATH_INFO=/a%20b\nQUERY_STRING=x=1&y=%00\n"
     "HTTP_HOST=here:7\n"},
    {"empty query", "GET /? HTTP/1.1\r\n" HEAD "\r\n", NULL,
     "REQUEST_URI=/?\nPATH_INFO=/\nQUERY_STRING=\nHTTP_HOST=here:7\n"},
    {"a whole address", "GET http://h:7/a?b HTTP/1.1\r\n" HEAD "\r\n", NULL,
     "REQUEST_URI=/a?b\nPATH_INFO=/a\nQUERY_STRING=b\nHTTP_HOST=h:7\n"},
    {"one without a path", "GET http://h?b HTTP/1.1\r\n" HEAD "\r\n", NULL,
     "REQUEST_URI=/?b\nPATH_INFO=/\nQUERY_STRING=b\nHTTP_HOST=h\n"},
    {"fields",
     "GET / HTTP/1.1\r\n" HEAD "user-agent: me (1)\r\nCookie: a=b; c=d\r\n"
     "ORIGIN: http://here:7\r\n\r\n",
     "chat",
     "REQUEST_URI=/\nPATH_INFO=/\nQUERY_STRING=\nHTTP_HOST=here:7\nHTTP_ORIGIN=http://here:7\n"
     "HTTP_COOKIE=a=b; c=d\nHTTP_USER_AGENT=me (1)\nSEC_WEBSOCKET_PROTOCOL=chat\n"},
    {"no names of the client's choice",
     "GET / HTTP/1.1\r\n" HEAD "Proxy: evil\r\nPath: /evil\r\nLD_PRELOAD: evil\r\n\r\n", NULL,
     "REQUEST_URI=/\nPATH_INFO=/\nQUERY_STRING=\nHTTP_HOST=here:7\n"},
    {"not ASCII", "GET / HTTP/1.1\r\n" HEAD "User-Agent: \xc3\xbc\r\nCookie: a\tb\r\n\r\n", NULL,
     "REQUEST_URI=/\nPATH_INFO=/\nQUERY_STRING=\nHTTP_HOST=here:7\n"},
};

static void fill(const char *row, const char *head, const char *protocol, char *ret, size_t size)
{
    struct http_request request = {0};
    static struct ws_facts facts;

    check_number(row, http_request_read(&request, head, strlen(head)), HTTP_WHOLE);
    ws_facts_fill(&facts, &request, protocol);
    ret[0] = '\0';
    for (const char *const *entry = facts.entries; *entry; entry++) {
        size_t used = strlen(ret);

        (void)snprintf(ret + used, size - used, "%s\n", *entry);
    }
}

static void test_rows(void **state)
{
    char got[8192];

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        fill(rows[i].name, rows[i].head, rows[i].protocol, got, sizeof(got));
        check_text(rows[i].name, got, rows[i].want);
    }
}

// What has no room is left out whole.
static void test_room(void **state)
{
    static char head[HTTP_HEAD_MAX], got[8192];

    (void)state;
    (void)snprintf(head, sizeof(head),
                   "GET / HTTP/1.1\r\n" HEAD "Cookie: %04000d\r\n"
                   "User-Agent: me\r\n\r\n",
                   0);
    fill("fits", head, NULL, got, sizeof(got));
    check_true("fits", strstr(got, "HTTP_COOKIE=0") && strstr(got, "HTTP_USER_AGENT=me"));
    (void)snprintf(head, sizeof(head),
                   "GET / HTTP/1.1\r\n" HEAD "Cookie: %04090d\r\n"
                   "User-Agent: me\r\n\r\n",
                   0);
    fill("too long", head, NULL, got, sizeof(got));
    check_true("too long", !strstr(got, "HTTP_COOKIE") && strstr(got, "HTTP_USER_AGENT=me"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_room)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
