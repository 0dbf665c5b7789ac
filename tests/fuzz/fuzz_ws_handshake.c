// SPDX-License-Identifier: MIT
// ws_handshake.c: for one reason there is one text, whatever was asked; only the hash of the key
// and a protocol that is configured differ. So no byte of a request comes back.

#include "transport/websocket/ws_handshake.h"

#include "fuzz.h"

#define MAX_TEXTS   32
#define HASH_LENGTH 28

static const char *const origins[] = {"same", "https://a.example"};
static const char *const hosts[] = {"a.example", "b.example:81"};
static const char *const protocols[] = {"chat", "superchat"};

// What was answered before, by reason and protocol, which are constants.
static struct {
    const char *why, *protocol;
    int status;
    char text[WS_ANSWER_MAX];
} seen[MAX_TEXTS];

static void check_text(const struct ws_answer *answer, const char *text)
{
    size_t i = 0;

    while (seen[i].status && (seen[i].status != answer->status || seen[i].why != answer->why ||
                              seen[i].protocol != answer->protocol))
        MUST(++i < MAX_TEXTS);
    if (!seen[i].status) {
        seen[i].why = answer->why;
        seen[i].protocol = answer->protocol;
        seen[i].status = answer->status;
        strcpy(seen[i].text, text);
    }
    MUST(strcmp(seen[i].text, text) == 0);
}

static void check_answer(struct ws_answer *answer)
{
    char *accept = strstr(answer->text, "Accept: ");

    MUST(strlen(answer->text) == answer->length);
    MUST((answer->decision == WS_PAGE) == (answer->length == 0));
    MUST((answer->decision == WS_UPGRADE) == (accept != NULL));
    if (accept) {
        accept += strlen("Accept: ");
        MUST(strspn(accept, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=") ==
             HASH_LENGTH);
        memset(accept, '.', HASH_LENGTH);
    }
    check_text(answer, answer->text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_request request = {0};
    struct ws_answer answer;
    uint8_t choice = size ? data[0] : 0;
    const struct ws_rules rules = {.policy = {.origins = origins,
                                              .n_origins = 2,
                                              .hosts = hosts,
                                              .n_hosts = choice & 1 ? 2 : 0,
                                              .path = choice & 2 ? "*" : "/",
                                              .is_tls = choice & 4,
                                              .is_proxied = choice & 8,
                                              .is_local = choice & 16},
                                   .protocols = protocols,
                                   .n_protocols = choice & 32 ? 2 : 0,
                                   .has_page = choice & 64};
    int status;

    if (size == 0)
        return 0;
    status = http_request_read(&request, (const char *)data + 1, size - 1);
    if (status == HTTP_MORE)
        return 0;
    if (status == HTTP_WHOLE)
        ws_handshake_answer(&request, &rules, &answer);
    else
        ws_handshake_refuse(status, &answer);
    check_answer(&answer);
    return 0;
}
