// SPDX-License-Identifier: MIT
#include "transport/http_host.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#define PORT_MAX 65535

static struct http_text from(struct http_text text, size_t n)
{
    return (struct http_text){.data = text.data + n, .length = text.length - n};
}

static bool is_address(int family, struct http_text text)
{
    struct in6_addr address;
    char copy[INET6_ADDRSTRLEN];

    if (text.length >= sizeof(copy))
        return false;
    memcpy(copy, text.data, text.length);
    copy[text.length] = '\0';
    return inet_pton(family, copy, &address) == 1;
}

static bool is_name(struct http_text text)
{
    for (size_t i = 0; i < text.length; i++) {
        char c = text.data[i];

        if (!isalnum((unsigned char)c) && c != '-' && c != '.' && c != '_')
            return false;
    }
    return text.length > 0;
}

static bool parse_port(struct http_text text, unsigned *ret_port)
{
    unsigned port = 0;

    if (text.length == 0 || text.length > 5 || text.data[0] == '0')
        return false;
    for (size_t i = 0; i < text.length; i++) {
        if (!isdigit((unsigned char)text.data[i]))
            return false;
        port = port * 10 + (unsigned)(text.data[i] - '0');
    }
    *ret_port = port;
    return port <= PORT_MAX;
}

// The length of the host at the beginning; 0: there is none.
static size_t host_length(struct http_text text)
{
    bool is_bracketed = text.length > 0 && text.data[0] == '[';
    const char *end = text.length > 0 ? memchr(text.data, is_bracketed ? ']' : ':', text.length)
                                      : NULL;

    if (is_bracketed)
        return end ? (size_t)(end - text.data) + 1 : 0;
    return end ? (size_t)(end - text.data) : text.length;
}

bool http_place_parse(struct http_text text, struct http_place *ret)
{
    size_t n = host_length(text);
    struct http_text rest;

    if (n == 0)
        return false;
    *ret = (struct http_place){.host = {text.data, n}};
    if (text.data[0] == '[')
        ret->is_number = is_address(AF_INET6, (struct http_text){text.data + 1, n - 2});
    else
        ret->is_number = is_address(AF_INET, ret->host);
    if (!ret->is_number && !is_name(ret->host))
        return false;
    rest = from(text, n);
    return rest.length == 0 || (rest.data[0] == ':' && parse_port(from(rest, 1), &ret->port));
}
