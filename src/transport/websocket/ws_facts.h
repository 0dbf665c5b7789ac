// SPDX-License-Identifier: MIT
// What a request says, as variables of an environment: REQUEST_URI, PATH_INFO, QUERY_STRING,
// HTTP_HOST, HTTP_ORIGIN, HTTP_COOKIE, HTTP_USER_AGENT, SEC_WEBSOCKET_PROTOCOL (the one chosen). A
// list, and no name of the client's choice: HTTP_PROXY is another program's setting. Pure.
#pragma once

#include "transport/http_request.h"

#define WS_FACTS     8
#define WS_FACTS_MAX 4096 // bytes of all of them

struct ws_facts {
    const char *entries[WS_FACTS + 1]; // "NAME=value"; NULL behind the last
    size_t n, used;
    char text[WS_FACTS_MAX];
};

// Only values of printable ASCII are there, and those that have room; none is empty but the query.
void ws_facts_fill(struct ws_facts *facts, const struct http_request *request,
                   const char *protocol);
