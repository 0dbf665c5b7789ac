// SPDX-License-Identifier: MIT
// ws_handshake.c: what each request gets, RFC 6455's example, and that nothing comes back of it.

#include "transport/websocket/ws_handshake.h"
#include "unit.h"

#define LINE    "GET / HTTP/1.1\r\n"
#define HOST    "Host: localhost:8007\r\n"
#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define V13     "Sec-WebSocket-Version: 13\r\n"
#define KEY     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define REST    HOST UPGRADE V13 KEY
#define GOOD    LINE REST
#define END     "\r\n"
#define ACCEPT  "\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"

static const char *const same[] = {"same"};
static const char *const protocols[] = {"chat", "superchat"};

static const struct {
    const char *name, *request;
    bool has_page;
    int status;
    const char *has; // in the answer
} rows[] = {
    {"RFC 6455's example", GOOD END, false, 101, ACCEPT END},
    {"another key", LINE HOST UPGRADE V13 "Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n" END,
     false, 101, "HSmrc0sMlYUkAGmm5OPpG2HaGWk="},
    {"lists, and another case",
     LINE HOST V13 KEY "upgrade: h2c, WebSocket\r\nCONNECTION: keep-alive,  uPGRADE\r\n" END, false,
     101, ACCEPT},
    {"lists in two fields",
     LINE HOST V13 KEY UPGRADE "Connection: keep-alive\r\nUpgrade: h2c\r\n" END, false, 101,
     ACCEPT},
    {"a query", "GET /?room=1 HTTP/1.1\r\n" REST END, false, 101, ACCEPT},
    {"extensions", GOOD "Sec-WebSocket-Extensions: permessage-deflate\r\n" END, false, 101,
     ACCEPT END},
    {"its own page", GOOD "Origin: http://localhost:8007\r\n" END, false, 101, ACCEPT},
    {"frames behind", GOOD END "\x81\x80xxxx", false, 101, ACCEPT},
    {"with a page", GOOD END, true, 101, ACCEPT},

    {"a protocol", GOOD "Sec-WebSocket-Protocol: superchat\r\n" END, false, 101,
     ACCEPT "Sec-WebSocket-Protocol: superchat\r\n" END},
    {"the client's first", GOOD "Sec-WebSocket-Protocol: x, superchat, chat\r\n" END, false, 101,
     ACCEPT "Sec-WebSocket-Protocol: superchat\r\n" END},
    {"in two fields", GOOD "Sec-WebSocket-Protocol: x\r\nSec-WebSocket-Protocol: chat\r\n" END,
     false, 101, ACCEPT "Sec-WebSocket-Protocol: chat\r\n" END},
    {"none of ours", GOOD "Sec-WebSocket-Protocol: x, Chat, chat2, cha\r\n" END, false, 101,
     ACCEPT END},

    {"a page", LINE HOST END, true, 200, ""},
    {"another page", "GET /tcpd.js HTTP/1.1\r\n" HOST END, true, 200, ""},
    {"a page of a foreign host", LINE "Host: evil\r\n" END, true, 403, "ws_hosts"},
    {"no page", LINE HOST END, false, 426, "\r\nUpgrade: websocket\r\n"},
    {"no page there", "GET /x HTTP/1.1\r\n" HOST END, false, 404, "ws_path"},
    {"Upgrade alone", LINE HOST "Upgrade: websocket\r\n" V13 KEY END, false, 426, "WebSocket"},
    {"Connection alone", LINE HOST "Connection: Upgrade\r\n" V13 KEY END, false, 426, "WebSocket"},
    {"to something else",
     LINE HOST "Upgrade: websocket2, h2c\r\nConnection: Upgrade\r\n" V13 KEY END, false, 426,
     "WebSocket"},
    {"version 8", LINE HOST UPGRADE KEY "Sec-WebSocket-Version: 8\r\n" END, true, 426,
     "\r\nSec-WebSocket-Version: 13\r\n"},
    {"versions", LINE HOST UPGRADE KEY "Sec-WebSocket-Version: 13, 8\r\n" END, false, 426, "13"},
    {"no version", LINE HOST UPGRADE KEY END, false, 426, "13"},
    {"two versions", GOOD V13 END, false, 426, "13"},
    {"no key", LINE HOST UPGRADE V13 END, false, 400, "Sec-WebSocket-Key"},
    {"two keys", GOOD KEY END, false, 400, "Sec-WebSocket-Key"},
    {"a key of 15 bytes", LINE HOST UPGRADE V13 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j\r\n" END,
     false, 400, "Sec-WebSocket-Key"},
    {"of 17", LINE HOST UPGRADE V13 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZWE=\r\n" END, false,
     400, "Sec-WebSocket-Key"},
    {"of 16, unpadded", LINE HOST UPGRADE V13 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ\r\n" END,
     false, 400, "Sec-WebSocket-Key"},
    {"not in base64", LINE HOST UPGRADE V13 "Sec-WebSocket-Key: dGhlIHNhb-BsZSBub25jZQ==\r\n" END,
     false, 400, "Sec-WebSocket-Key"},
    {"of = alone", LINE HOST UPGRADE V13 "Sec-WebSocket-Key: ========================\r\n" END,
     false, 400, "Sec-WebSocket-Key"},
    {"empty", LINE HOST UPGRADE V13 "Sec-WebSocket-Key:\r\n" END, false, 400, "Sec-WebSocket-Key"},
    {"a foreign page", GOOD "Origin: http://evil\r\n" END, false, 403, "ws_origins"},
    {"an empty origin", GOOD "Origin:\r\n" END, false, 403, "ws_origins"},
    {"two origins", GOOD "Origin: http://localhost:8007\r\nOrigin: http://evil\r\n" END, false, 400,
     "Origin"},
    {"a foreign host", LINE "Host: evil:8007\r\n" UPGRADE V13 KEY END, false, 403, "ws_hosts"},
    {"no host", LINE "Host: a@b\r\n" UPGRADE V13 KEY END, false, 400, "host is malformed"},
    {"another path", "GET /x HTTP/1.1\r\n" REST END, false, 404, "ws_path"},
};

static struct ws_answer answer(const char *text, bool has_page)
{
    const struct ws_rules rules = {
        .policy = {.origins = same, .n_origins = 1, .path = "/", .is_local = true},
        .protocols = protocols,
        .n_protocols = ELEMENTS(protocols),
        .has_page = has_page};
    struct http_request request = {0};
    struct ws_answer answer;

    assert_int_equal(http_request_read(&request, text, strlen(text)), HTTP_WHOLE);
    ws_handshake_answer(&request, &rules, &answer);
    return answer;
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct ws_answer got = answer(rows[i].request, rows[i].has_page);
        char status[32];

        snprintf(status, sizeof(status), "HTTP/1.1 %d ", rows[i].status);
        check_number(rows[i].name, got.status, rows[i].status);
        check_number(rows[i].name, got.length, strlen(got.text));
        check_true(rows[i].name, got.length == 0 || strncmp(got.text, status, 13) == 0);
        if (!strstr(got.text, rows[i].has))
            fail_msg("%s: no \"%s\" in \"%s\"", rows[i].name, rows[i].has, got.text);
        check_true(rows[i].name, (got.decision == WS_UPGRADE) == (rows[i].status == 101));
        check_true(rows[i].name, (got.decision == WS_PAGE) == (rows[i].status == 200));
        check_true(rows[i].name, (got.why != NULL) == (got.decision == WS_REFUSE));
    }
}

// An answer ends the connection, and has the length that it says.
static void test_refusals(void **state)
{
    static const struct {
        int status;
        const char *has;
    } refusals[] = {
        {400, " Bad Request\r\n"},   {404, " Not Found\r\n"},
        {405, "\r\nAllow: GET\r\n"}, {408, " Request Timeout\r\n"},
        {414, " URI Too Long\r\n"},  {431, " Request Header Fields Too Large\r\n"},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(refusals); i++) {
        struct ws_answer got;
        const char *body;
        char length[64];

        ws_handshake_refuse(refusals[i].status, &got);
        assert_int_equal(got.status, refusals[i].status);
        assert_non_null(strstr(got.text, refusals[i].has));
        assert_non_null(strstr(got.text, "\r\nConnection: close\r\n"));
        body = strstr(got.text, "\r\n\r\n") + 4;
        snprintf(length, sizeof(length), "\r\nContent-Length: %zu\r\n", strlen(body));
        assert_non_null(strstr(got.text, length));
        assert_true(strlen(body) > 10 && strlen(got.why) + 1 == strlen(body));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
