// SPDX-License-Identifier: MIT
#include "status/status_answer.h"

#include <stdio.h>
#include <string.h>

#include "base/base.h"

#define HEAD_MAX 1024
#define TEXT_MAX 256

// Nothing is loaded from elsewhere, nothing is framed, nothing leaks a referrer.
#define FIELDS                                                                                  \
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "        \
    "connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors " \
    "'none'\r\n"                                                                                \
    "X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n"                       \
    "Cross-Origin-Resource-Policy: same-origin\r\nCache-Control: no-store\r\n"                  \
    "Connection: close\r\n"

static const struct {
    int status;
    const char *phrase, *fields;
    const char *why; // unless something else is known
} phrases[] = {
    {200, "OK", "", ""},
    {400, "Bad Request", "", "this is not a request of HTTP/1.1"},
    {404, "Not Found", "", ""},
    {405, "Method Not Allowed", "Allow: GET, HEAD\r\n", "the method is not GET or HEAD"},
    {413, "Content Too Large", "", "there is a body, and none is taken"},
    {414, "URI Too Long", "", "the first line is too long"},
    {421, "Misdirected Request", "", ""},
    {431, "Request Header Fields Too Large", "", "there are too many fields, or too long ones"},
    {503, "Service Unavailable", "Retry-After: 5\r\n", ""},
    {500, "Internal Server Error", "", ""}, // and any other
};

static size_t find(int status)
{
    size_t i = 0;

    while (i < ELEMENTS(phrases) - 1 && phrases[i].status != status)
        i++;
    return i;
}

int status_answer_send(struct tcpd_session *session, const struct status_answer *answer,
                       bool is_head)
{
    size_t i = find(answer->status);
    char head[HEAD_MAX];
    int n = snprintf(
        head, sizeof(head),
        "HTTP/1.1 %d %s\r\n%sContent-Type: %s\r\nContent-Length: %zu\r\n" FIELDS "\r\n",
        phrases[i].status, phrases[i].phrase, phrases[i].fields, answer->type, answer->length);

    if (tcpd_write(session, head, (size_t)n) < 0)
        return -1;
    return is_head || answer->length == 0 ? 0 : tcpd_write(session, answer->body, answer->length);
}

int status_answer_refuse(struct tcpd_session *session, int status, const char *why, bool is_head)
{
    char text[TEXT_MAX];
    int n = snprintf(text, sizeof(text), "%s\n", why ? why : phrases[find(status)].why);
    struct status_answer answer = {.status = status,
                                   .type = "text/plain; charset=utf-8",
                                   .body = text,
                                   .length = (size_t)n < sizeof(text) ? (size_t)n
                                                                      : sizeof(text) - 1};

    return status_answer_send(session, &answer, is_head);
}
