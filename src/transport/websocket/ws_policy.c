// SPDX-License-Identifier: MIT
// Same origin: scheme, host and port of the page are those that it connects to. And the Host is one
// that we have: a name whose address somebody points to 127.0.0.1 (DNS rebinding) would be of the
// same origin as its own page. Whatever is not understood is refused.

#include "transport/websocket/ws_policy.h"

#include <string.h>
#include <strings.h>

#include "base/base.h"
#include "transport/http_host.h"

#define HTTP_PORT  80
#define HTTPS_PORT 443

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

// An entry without a port is the host on any.
static bool is_listed_host(const struct ws_policy *policy, const struct http_place *place,
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
    struct http_place place;

    if (!http_place_parse(host, &place)) {
        *ret_why = "the host is malformed";
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
    struct http_place page, here;

    if (port == 0 || !http_place_parse(origin, &page) || !http_place_parse(host, &here))
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
