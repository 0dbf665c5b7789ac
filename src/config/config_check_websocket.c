// SPDX-License-Identifier: MIT
// What tcpd.conf says of WebSockets.

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config/config.h"
#include "config/config_check.h"

#define PROTOCOL_MAX 128 // characters
#define MESSAGE_MOST (INT64_C(1) << 30)

struct at {
    const struct service *service;
    const struct section *section;
    struct problems *problems;
};

__attribute__((format(printf, 3, 4))) static void complain(const struct at *at, const char *name,
                                                           const char *format, ...)
{
    int line = section_line(at->section, name);
    char text[512];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    problems_add(at->problems, at->service->file, line > 0 ? line : at->service->line,
                 "%s of service \"%s\": %s", name, at->service->name, text);
}

// A token (RFC 9110, 5.6.2), as a name of a protocol is.
static bool is_token(const char *text)
{
    size_t n = strspn(text, "!#$%&'*+-.^_`|~0123456789"
                            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");

    return n > 0 && n <= PROTOCOL_MAX && text[n] == '\0';
}

// As browsers write one: a scheme, a host in small letters, a port that is not the scheme's own.
static bool is_origin(const char *text)
{
    size_t scheme = strcspn(text, ":/"), n = strlen(text);

    if ((strncmp(text, "http:", 5) == 0 && n > 3 && strcmp(text + n - 3, ":80") == 0) ||
        (strncmp(text, "https:", 6) == 0 && n > 4 && strcmp(text + n - 4, ":443") == 0))
        return false;
    return strcmp(text, "same") == 0 || strcmp(text, "*") == 0 ||
           (scheme > 0 && strncmp(text + scheme, "://", 3) == 0 && text[scheme + 3] != '\0' &&
            strpbrk(text + scheme + 3, "/@ ?#") == NULL &&
            strpbrk(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == NULL);
}

// What a request can name: printable ASCII without a query, "#<> and spaces, which browsers encode.
static bool is_path(const char *text)
{
    if (strcmp(text, "*") == 0)
        return true;
    for (const char *c = text; *c; c++)
        if (*c <= ' ' || *c > '~' || strchr("\"#<>?", *c))
            return false;
    return text[0] == '/';
}

// A name or number, in brackets where it is IPv6, and maybe a port; not a URL.
static bool is_host(const char *text)
{
    size_t host = text[0] == '[' ? strcspn(text, "]") + 1 : strcspn(text, ":");
    const char *port;

    if (strcmp(text, "*") == 0)
        return true;
    if (host == 0 || host > strlen(text) || strpbrk(text, "/@ ?#,"))
        return false;
    port = text + host;
    return *port == '\0' || (port[0] == ':' && port[1] >= '1' && port[1] <= '9' &&
                             port[1 + strspn(port + 1, "0123456789")] == '\0' && strlen(port) <= 6);
}

void config_check_websocket(const struct service *service, const struct section *section,
                            struct problems *problems)
{
    const struct websocket *ws = &service->websocket;
    const struct at at = {service, section, problems};

    for (size_t i = 0; i < ws->origins.n; i++)
        if (!is_origin(ws->origins.items[i]))
            complain(&at, "ws_origins",
                     "\"%s\" is no origin; \"same\", \"*\", or as a browser sends it, "
                     "such as \"https://www.example.org\", without the scheme's own port",
                     ws->origins.items[i]);
    for (size_t i = 0; i < ws->protocols.n; i++)
        if (!is_token(ws->protocols.items[i]))
            complain(&at, "ws_protocols",
                     "\"%s\" is no name of a protocol: letters, digits and "
                     "!#$%%&'*+-.^_`|~, up to 128 of them",
                     ws->protocols.items[i]);
    for (size_t i = 0; i < ws->hosts.n; i++)
        if (!is_host(ws->hosts.items[i]))
            complain(&at, "ws_hosts",
                     "\"%s\" is no host; \"*\", or as in the field Host, such as "
                     "\"www.example.org\" or \"www.example.org:8080\"",
                     ws->hosts.items[i]);
    if (ws->path && !is_path(ws->path))
        complain(&at, "ws_path",
                 "\"%s\" is no path: it begins with '/', or is \"*\", and has no query; what is "
                 "not printable ASCII is encoded",
                 ws->path);
    if (ws->has_page && ws->path && strcmp(ws->path, "/") != 0 && strcmp(ws->path, "*") != 0)
        complain(&at, "ws_page", "the page connects to /, which is not ws_path, \"%s\"", ws->path);
    if (ws->message_max < 1 || ws->message_max > MESSAGE_MOST)
        complain(&at, "ws_message_max", "must be between 1 and 1G");
}
