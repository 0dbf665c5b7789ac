// SPDX-License-Identifier: MIT
// Same origin: scheme, host and port of the page are those that it connects to. And the Host is one
// that we have: a name whose address somebody points to 127.0.0.1 (DNS rebinding) would be of the
// same origin as its own page. Whatever is not understood is refused.

#include "transport/websocket/ws_policy.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/base.h"

#define HTTP_PORT  80
#define HTTPS_PORT 443
#define PORT_MAX   65535

#define BAD_REQUEST 400
#define FORBIDDEN   403
#define NOT_FOUND   404

static struct http_text from(struct http_text text, size_t n)
{
    return (struct http_text){.data = text.data + n, .length = text.length - n};
}

static bool is_same(struct http_text a, struct http_text b)
{
    return a.length == b.length && strncasecmp(a.data, b.data, a.length) == 0;
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

bool ws_place_parse(struct http_text text, struct ws_place *ret)
{
    size_t n = host_length(text);
    struct http_text rest;

    if (n == 0)
        return false;
    *ret = (struct ws_place){.host = {text.data, n}};
    if (text.data[0] == '[')
        ret->is_number = is_address(AF_INET6, (struct http_text){text.data + 1, n - 2});
    else
        ret->is_number = is_address(AF_INET, ret->host);
    if (!ret->is_number && !is_name(ret->host))
        return false;
    rest = from(text, n);
    return rest.length == 0 || (rest.data[0] == ':' && parse_port(from(rest, 1), &ret->port));
}

// An entry without a port is the host on any.
static bool is_listed_host(const struct ws_policy *policy, const struct ws_place *place,
                           struct http_text host)
{
    for (size_t i = 0; i < policy->n_hosts; i++)
        if (strcmp(policy->hosts[i], "*") == 0 || http_text_is_anycase(host, policy->hosts[i]) ||
            http_text_is_anycase(place->host, policy->hosts[i]))
            return true;
    return false;
}

int ws_policy_judge_host(const struct ws_policy *policy, struct http_text host,
                         const char **ret_why)
{
    struct ws_place place;

    if (!ws_place_parse(host, &place)) {
        *ret_why = "the Host field is not a host";
        return BAD_REQUEST;
    }
    if (is_listed_host(policy, &place, host))
        return 0;
    if (policy->is_local ? place.is_number || http_text_is_anycase(place.host, "localhost")
                         : policy->n_hosts == 0)
        return 0;
    *ret_why = "the host is not one of ws_hosts";
    return FORBIDDEN;
}

// Takes "http://" or "https://" off; returns the scheme's port, 0 for another scheme.
static unsigned take_scheme(struct http_text *text)
{
    static const struct {
        struct http_text scheme;
        unsigned port;
    } schemes[] = {{{"http://", 7}, HTTP_PORT}, {{"https://", 8}, HTTPS_PORT}};

    for (size_t i = 0; i < ELEMENTS(schemes); i++) {
        size_t n = schemes[i].scheme.length;

        if (text->length >= n && strncasecmp(text->data, schemes[i].scheme.data, n) == 0) {
            *text = from(*text, n);
            return schemes[i].port;
        }
    }
    return 0;
}

static bool is_same_origin(const struct ws_policy *policy, struct http_text origin,
                           struct http_text host)
{
    unsigned port = take_scheme(&origin);
    struct ws_place page, here;

    if (port == 0 || !ws_place_parse(origin, &page) || !ws_place_parse(host, &here))
        return false;
    if (!policy->is_proxied && port != (policy->is_tls ? HTTPS_PORT : HTTP_PORT))
        return false;
    return is_same(page.host, here.host) &&
           (page.port ? page.port : port) == (here.port ? here.port : port);
}

static bool is_allowed_by(const char *entry, const struct ws_policy *policy,
                          struct http_text origin, struct http_text host)
{
    if (strcmp(entry, "same") == 0)
        return is_same_origin(policy, origin, host);
    return strcmp(entry, "*") == 0 ||
           (strcasecmp(entry, "null") != 0 && http_text_is_anycase(origin, entry));
}

int ws_policy_judge_origin(const struct ws_policy *policy, struct http_text origin,
                           struct http_text host, const char **ret_why)
{
    if (!origin.data) // no browser
        return 0;
    for (size_t i = 0; i < policy->n_origins; i++)
        if (is_allowed_by(policy->origins[i], policy, origin, host))
            return 0;
    *ret_why = "the page's origin is not one of ws_origins";
    return FORBIDDEN;
}

int ws_policy_judge_path(const struct ws_policy *policy, struct http_text path,
                         const char **ret_why)
{
    if (strcmp(policy->path, "*") == 0 || http_text_is(path, policy->path))
        return 0;
    *ret_why = "the path is not ws_path";
    return NOT_FOUND;
}
