// SPDX-License-Identifier: MIT
// From a request to a decision: host, upgrade or page, path, version, key, origin, protocol, in
// this order. Answers are made of constant texts, of the key's hash, and of what tcpd.conf says.

#include "transport/websocket/ws_handshake.h"

#include <assert.h>
#include <sha1.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"

#define WS_GUID     "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define KEY_LENGTH  24 // 16 bytes in base64
#define HASH_LENGTH 28 // 20 bytes
#define VERSION     "13"

static const struct {
    int status;
    const char *phrase, *fields;
    const char *why; // unless something else is known
} refusals[] = {
    {400, "Bad Request", "", "this is not a request of HTTP/1.1"},
    {403, "Forbidden", "", ""},
    {404, "Not Found", "", "there is no such page"},
    {405, "Method Not Allowed", "Allow: GET\r\n", "the method is not GET"},
    {408, "Request Timeout", "", "the request did not come in time"},
    {414, "URI Too Long", "", "the first line is too long"},
    {426, "Upgrade Required",
     "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: " VERSION "\r\n", ""},
    {431, "Request Header Fields Too Large", "", "there are too many fields, or too long ones"},
};

static void refuse(int status, const char *why, struct ws_answer *ret)
{
    size_t i = 0;
    int n;

    while (i < ELEMENTS(refusals) - 1 && refusals[i].status != status)
        i++;
    *ret = (struct ws_answer){.decision = WS_REFUSE, .status = refusals[i].status};
    ret->why = why ? why : refusals[i].why;
    n = snprintf(ret->text, sizeof(ret->text),
                 "HTTP/1.1 %d %s\r\n%sContent-Type: text/plain; charset=utf-8\r\n"
                 "Content-Length: %zu\r\nX-Content-Type-Options: nosniff\r\n"
                 "Cache-Control: no-store\r\nConnection: close\r\n\r\n%s\n",
                 refusals[i].status, refusals[i].phrase, refusals[i].fields, strlen(ret->why) + 1,
                 ret->why);
    ret->length = (size_t)n;
}

void ws_handshake_refuse(int status, struct ws_answer *ret)
{
    refuse(status, NULL, ret);
}

// All fields of that name make up one list.
static bool list_has(const struct http_request *request, const char *name, const char *word)
{
    const struct http_field *field;

    for (size_t at = 0; (field = http_request_next(request, name, &at));) {
        struct http_text list = field->value, element;

        while (http_list_next(&list, &element))
            if (http_text_is_anycase(element, word))
                return true;
    }
    return false;
}

// The value of a field that there may be once; data NULL: there is none. False: there are two.
static bool get_single(const struct http_request *request, const char *name, struct http_text *ret)
{
    size_t at = 0;
    const struct http_field *field = http_request_next(request, name, &at);

    *ret = field ? field->value : (struct http_text){0};
    return !field || !http_request_next(request, name, &at);
}

// The client's first that is listed.
static const char *choose_protocol(const struct http_request *request, const struct ws_rules *rules)
{
    const struct http_field *field;

    for (size_t at = 0; (field = http_request_next(request, "Sec-WebSocket-Protocol", &at));) {
        struct http_text list = field->value, element;

        while (http_list_next(&list, &element))
            for (size_t i = 0; i < rules->n_protocols; i++)
                if (http_text_is(element, rules->protocols[i]))
                    return rules->protocols[i];
    }
    return NULL;
}

static bool is_key(struct http_text key)
{
    for (size_t i = 0; i < key.length; i++) {
        char c = key.data[i];
        bool is_digit = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                        (c >= '0' && c <= '9') || c == '+' || c == '/';

        if (i < KEY_LENGTH - 2 ? !is_digit : c != '=')
            return false;
    }
    return key.length == KEY_LENGTH;
}

static void encode_hash(const uint8_t hash[SHA1_DIGEST_LENGTH], char text[HASH_LENGTH + 1])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < HASH_LENGTH - 1; i++) { // six bits from bit 6 * i on
        size_t byte = i * 6 / 8, bits = hash[byte];

        bits = bits << 8 | (byte + 1 < SHA1_DIGEST_LENGTH ? hash[byte + 1] : 0);
        text[i] = digits[bits >> (10 - i * 6 % 8) & 63];
    }
    text[HASH_LENGTH - 1] = '='; // 160 bits are 26 digits and 4 bits
    text[HASH_LENGTH] = '\0';
}

static void accept_key(struct http_text key, char text[HASH_LENGTH + 1])
{
    uint8_t hash[SHA1_DIGEST_LENGTH];
    SHA1_CTX sha1;

    SHA1Init(&sha1);
    SHA1Update(&sha1, (const uint8_t *)key.data, key.length);
    SHA1Update(&sha1, (const uint8_t *)WS_GUID, strlen(WS_GUID));
    SHA1Final(hash, &sha1);
    encode_hash(hash, text);
}

static void upgrade(struct http_text key, const char *protocol, struct ws_answer *ret)
{
    char accept[HASH_LENGTH + 1];
    int n;

    accept_key(key, accept);
    *ret = (struct ws_answer){.decision = WS_UPGRADE, .status = 101, .protocol = protocol};
    n = snprintf(ret->text, sizeof(ret->text),
                 "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                 "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n%s%s%s\r\n",
                 accept, protocol ? "Sec-WebSocket-Protocol: " : "", protocol ? protocol : "",
                 protocol ? "\r\n" : "");
    assert(n > 0 && (size_t)n < sizeof(ret->text));
    ret->length = (size_t)n;
}

// Whether it asks for frames at all; a proxy that passes no Upgrade on looks like a browser.
static bool is_upgrade(const struct http_request *request)
{
    return list_has(request, "Upgrade", "websocket") && list_has(request, "Connection", "upgrade");
}

static int judge_upgrade(const struct http_request *request, const struct ws_rules *rules,
                         struct http_text *ret_key, const char **ret_why)
{
    struct http_text version, origin;

    *ret_why = "Sec-WebSocket-Version is not " VERSION;
    if (!get_single(request, "Sec-WebSocket-Version", &version) || !http_text_is(version, VERSION))
        return 426;
    *ret_why = "Sec-WebSocket-Key is not 16 bytes in base64";
    if (!get_single(request, "Sec-WebSocket-Key", ret_key) || !is_key(*ret_key))
        return 400;
    *ret_why = "there is more than one Origin";
    if (!get_single(request, "Origin", &origin))
        return 400;
    return ws_policy_judge_origin(&rules->policy, origin, request->host, ret_why);
}

void ws_handshake_answer(const struct http_request *request, const struct ws_rules *rules,
                         struct ws_answer *ret)
{
    const char *why = NULL;
    struct http_text key = {0};
    int status = ws_policy_judge_host(&rules->policy, request->host, &why);

    if (status == 0 && rules->has_page && !is_upgrade(request)) {
        *ret = (struct ws_answer){.decision = WS_PAGE, .status = 200};
        return;
    }
    if (status == 0)
        status = ws_policy_judge_path(&rules->policy, request->path, &why);
    if (status == 0 && !is_upgrade(request)) {
        why = "this service speaks WebSocket";
        status = 426;
    }
    if (status == 0)
        status = judge_upgrade(request, rules, &key, &why);
    if (status != 0)
        refuse(status, why, ret);
    else
        upgrade(key, choose_protocol(request, rules), ret);
}
