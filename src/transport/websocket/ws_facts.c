// SPDX-License-Identifier: MIT
#include "transport/websocket/ws_facts.h"

#include <stdio.h>
#include <string.h>

#include "base/base.h"

static bool is_printable(struct http_text text)
{
    for (size_t i = 0; i < text.length; i++)
        if (text.data[i] < ' ' || text.data[i] > '~')
            return false;
    return true;
}

static const struct http_text none = {0};

// A value, and what stands behind a question mark, if there is one.
static void add_both(struct ws_facts *facts, const char *name, struct http_text value,
                     struct http_text query)
{
    char *text = facts->text + facts->used;
    size_t room = sizeof(facts->text) - facts->used;
    int n;

    if (!value.data || !is_printable(value) || !is_printable(query) || facts->n == WS_FACTS)
        return;
    n = snprintf(text, room, "%s=%.*s%s%.*s", name, (int)value.length, value.data,
                 query.data ? "?" : "", (int)query.length, query.data ? query.data : "");
    if (n < 0 || (size_t)n >= room)
        return;
    facts->entries[facts->n++] = text;
    facts->used += (size_t)n + 1;
}

static void add(struct ws_facts *facts, const char *name, struct http_text value)
{
    add_both(facts, name, value, none);
}

static void add_field(struct ws_facts *facts, const struct http_request *request, const char *field,
                      const char *name)
{
    size_t at = 0;
    const struct http_field *found = http_request_next(request, field, &at);

    if (found)
        add(facts, name, found->value);
}

void ws_facts_fill(struct ws_facts *facts, const struct http_request *request, const char *protocol)
{
    facts->n = facts->used = 0;
    add_both(facts, "REQUEST_URI", request->path, request->query);
    add(facts, "PATH_INFO", request->path);
    add(facts, "QUERY_STRING", request->query.data ? request->query : (struct http_text){"", 0});
    add(facts, "HTTP_HOST", request->host);
    add_field(facts, request, "Origin", "HTTP_ORIGIN");
    add_field(facts, request, "Cookie", "HTTP_COOKIE");
    add_field(facts, request, "User-Agent", "HTTP_USER_AGENT");
    if (protocol)
        add(facts, "SEC_WEBSOCKET_PROTOCOL", (struct http_text){protocol, strlen(protocol)});
    facts->entries[facts->n] = NULL;
}
