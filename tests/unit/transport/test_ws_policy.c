// SPDX-License-Identifier: MIT
// ws_policy.c: which hosts are ours, which pages may come in.

#include "transport/websocket/ws_policy.h"

#include "transport/http_host.h"
#include "unit.h"

static struct http_text text_of(const char *text)
{
    return (struct http_text){.data = text, .length = text ? strlen(text) : 0};
}

static void test_places(void **state)
{
    static const struct {
        const char *text;
        bool is_place;
        const char *host;
        unsigned port;
        bool is_number;
    } rows[] = {
        {"localhost", true, "localhost", 0, false},
        {"localhost:8007", true, "localhost", 8007, false},
        {"127.0.0.1:1", true, "127.0.0.1", 1, true},
        {"127.0.0.1:65535", true, "127.0.0.1", 65535, true},
        {"[::1]", true, "[::1]", 0, true},
        {"[::1]:80", true, "[::1]", 80, true},
        {"[::ffff:1.2.3.4]:80", true, "[::ffff:1.2.3.4]", 80, true},
        {"a-b_c.example.", true, "a-b_c.example.", 0, false},
        {"127.1", true, "127.1", 0, false}, // no number of ours: a name like any other
        {"2130706433", true, "2130706433", 0, false},
        {"0x7f000001", true, "0x7f000001", 0, false},
        {"", false, "", 0, false},
        {":80", false, "", 0, false},
        {"h:", false, "", 0, false},
        {"h:0", false, "", 0, false},
        {"h:00080", false, "", 0, false},
        {"h:080", false, "", 0, false},
        {"h:65536", false, "", 0, false},
        {"h:70000", false, "", 0, false},
        {"h:99999999999999", false, "", 0, false},
        {"h:8o", false, "", 0, false},
        {"h:80:80", false, "", 0, false},
        {"h:-1", false, "", 0, false},
        {"h: 80", false, "", 0, false},
        {"user@h", false, "", 0, false},
        {"user:1@h:80", false, "", 0, false},
        {"h/", false, "", 0, false},
        {"h/path", false, "", 0, false},
        {"h?x", false, "", 0, false},
        {"h h", false, "", 0, false},
        {"h,h", false, "", 0, false},
        {"\xc3\xa4.example", false, "", 0, false},
        {"::1", false, "", 0, false},
        {"[::1", false, "", 0, false},
        {"[::1]80", false, "", 0, false},
        {"[::1]]", false, "", 0, false},
        {"[]", false, "", 0, false},
        {"[", false, "", 0, false},
        {"[localhost]", false, "", 0, false},
        {"[127.0.0.1]", false, "", 0, false},
        {"[::1%25lo]", false, "", 0, false},
        {"[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb]", false, "", 0, false},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct http_place place;
        bool is_place = http_place_parse(text_of(rows[i].text), &place);

        check_number(rows[i].text, is_place, rows[i].is_place);
        if (!is_place)
            continue;
        check_bytes(rows[i].text, place.host.data, place.host.length, rows[i].host,
                    strlen(rows[i].host));
        check_number(rows[i].text, place.port, rows[i].port);
        check_number(rows[i].text, place.is_number, rows[i].is_number);
    }
}

#define MAX 2

static size_t count(const char *const list[MAX])
{
    return list[0] ? list[1] ? 2 : 1 : 0;
}

static void test_hosts(void **state)
{
    static const struct {
        bool is_local;
        const char *hosts[MAX];
        const char *host;
        int status;
    } rows[] = {
        {true, {0}, "127.0.0.1:8007", 0},
        {true, {0}, "[::1]:8007", 0},
        {true, {0}, "192.168.0.7", 0}, // what a name is rebound to, but no name
        {true, {0}, "localhost", 0},
        {true, {0}, "LocalHost:8007", 0},
        {true, {0}, "evil.example", 403},
        {true, {0}, "evil.example:8007", 403},
        {true, {0}, "localhost.evil", 403},
        {true, {0}, "localhost.", 403},
        {true, {0}, "127.0.0.1.evil", 403},
        {true, {0}, "127.1", 403},
        {true, {"a.example"}, "a.example", 0},
        {true, {"a.example"}, "A.Example:8007", 0},
        {true, {"a.example"}, "localhost", 0},
        {true, {"a.example"}, "b.example", 403},
        {true, {"b.example", "a.example:80"}, "a.example:80", 0},
        {true, {"b.example", "a.example:80"}, "a.example:81", 403},
        {true, {"b.example", "a.example:80"}, "a.example", 403},
        {true, {"*"}, "evil.example", 0},
        {false, {0}, "a.example", 0},
        {false, {0}, "127.0.0.1", 0},
        {false, {"a.example"}, "a.example", 0},
        {false, {"a.example"}, "b.example", 403},
        {false, {"a.example"}, "127.0.0.1", 403},
        {false, {"*"}, "b.example", 0},
        {false, {"*"}, "user@b.example", 400},
        {true, {"*"}, "", 400},
        {true, {0}, "127.0.0.1:0", 400},
        {true, {0}, "127.0.0.1:70000", 400},
        {true, {0}, "127.0.0.1/x", 400},
        {true, {0}, "user@127.0.0.1", 400},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        const struct ws_policy policy = {
            .is_local = rows[i].is_local, .hosts = rows[i].hosts, .n_hosts = count(rows[i].hosts)};
        const char *why = NULL;

        check_number(rows[i].host, ws_policy_judge_host(&policy, text_of(rows[i].host), &why),
                     rows[i].status);
        check_true(rows[i].host, (why != NULL) == (rows[i].status != 0));
    }
}

enum { WS, WSS, PROXIED };

static void test_origins(void **state)
{
    static const struct {
        int door;
        const char *origins[MAX];
        const char *origin, *host;
        bool is_allowed;
    } rows[] = {
        {WS, {"same"}, NULL, "h:8007", true},
        {WS, {0}, NULL, "h:8007", true},
        {WS, {0}, "http://h:8007", "h:8007", false},
        {WS, {"same"}, "http://h:8007", "h:8007", true},
        {WS, {"same"}, "HTTP://H:8007", "h:8007", true},
        {WS, {"same"}, "http://h", "h", true},
        {WS, {"same"}, "http://h", "h:80", true},
        {WS, {"same"}, "http://h:80", "h", true},
        {WS, {"same"}, "http://h", "h:8007", false},
        {WS, {"same"}, "http://h:8008", "h:8007", false},
        {WS, {"same"}, "http://h2:8007", "h:8007", false},
        {WS, {"same"}, "https://h:8007", "h:8007", false},
        {WS, {"same"}, "http://127.0.0.1:8007", "127.0.0.1:8007", true},
        {WS, {"same"}, "http://localhost:8007", "127.0.0.1:8007", false},
        {WS, {"same"}, "http://[::1]:8007", "[::1]:8007", true},
        {WS, {"same"}, "null", "h:8007", false},
        {WS, {"same"}, "null", "null", false},
        {WS, {"same"}, "", "h:8007", false},
        {WS, {"same"}, "h:8007", "h:8007", false},
        {WS, {"same"}, "http://", "h:8007", false},
        {WS, {"same"}, "file://", "h:8007", false},
        {WS, {"same"}, "ws://h:8007", "h:8007", false},
        {WS, {"same"}, "http:h:8007", "h:8007", false},
        {WS, {"same"}, "http://h:8007/", "h:8007", false},
        {WS, {"same"}, "http://h:8007 http://h:8007", "h:8007", false},
        {WS, {"same"}, "http://evil, http://h:8007", "h:8007", false},
        {WS, {"same"}, "http://127.0.0.1:8007@evil", "127.0.0.1:8007", false},
        {WS, {"same"}, "http://localhost.evil", "localhost", false},
        {WS, {"same"}, "http://localhost.evil:8007", "localhost:8007", false},
        {WS, {"same"}, "http://127.0.0.1:8007.evil", "127.0.0.1:8007", false},
        {WS, {"same"}, "http://h:0", "h", false},
        {WS, {"same"}, "http://h:70000", "h:4464", false},
        {WSS, {"same"}, "https://h", "h", true},
        {WSS, {"same"}, "https://h", "h:443", true},
        {WSS, {"same"}, "https://h:8443", "h:8443", true},
        {WSS, {"same"}, "https://h", "h:80", false},
        {WSS, {"same"}, "http://h", "h", false},
        {PROXIED, {"same"}, "https://h", "h", true},
        {PROXIED, {"same"}, "http://h", "h", true},
        {PROXIED, {"same"}, "https://h", "h2", false},
        {PROXIED, {"same"}, "null", "h", false},
        {WS, {"https://a.example"}, "https://a.example", "h", true},
        {WS, {"https://a.example"}, "https://A.example", "h", true},
        {WS, {"https://a.example"}, "http://a.example", "h", false},
        {WS, {"https://a.example"}, "https://a.example:8443", "h", false},
        {WS, {"https://a.example"}, "https://a.example.evil", "h", false},
        {WS, {"https://a.example"}, "http://h", "h", false},
        {WS, {"https://a.example", "same"}, "http://h", "h", true},
        {WS, {"null"}, "null", "h", false},
        {WS, {"*"}, "https://any.example", "h", true},
        {WS, {"*"}, "null", "h", true},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        const struct ws_policy policy = {.is_tls = rows[i].door == WSS,
                                         .is_proxied = rows[i].door == PROXIED,
                                         .origins = rows[i].origins,
                                         .n_origins = count(rows[i].origins)};
        const char *why = NULL, *row = rows[i].origin ? rows[i].origin : "no origin";
        int status = ws_policy_judge_origin(&policy, text_of(rows[i].origin), text_of(rows[i].host),
                                            &why);

        check_number(row, status, rows[i].is_allowed ? 0 : 403);
        check_true(row, (why != NULL) == !rows[i].is_allowed);
    }
}

static void test_paths(void **state)
{
    static const struct {
        const char *rule, *path;
        int status;
    } rows[] = {
        {"/", "/", 0},           {"/", "/x", 404},    {"/", "//", 404},
        {"/chat", "/chat", 0},   {"/chat", "/", 404}, {"/chat", "/chat/", 404},
        {"/chat", "/Chat", 404}, {"*", "/x", 0},      {"/chat", "/%63hat", 404},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        const struct ws_policy policy = {.path = rows[i].rule};
        const char *why;

        check_number(rows[i].path, ws_policy_judge_path(&policy, text_of(rows[i].path), &why),
                     rows[i].status);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_origins),
        cmocka_unit_test(test_paths),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
