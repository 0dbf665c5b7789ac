// SPDX-License-Identifier: MIT
// The opening handshake of RFC 6455: what a request gets, and the text that says so. Nothing of the
// request is in an answer but the hash of its key, so there is nothing to inject. Pure.
#pragma once

#include "transport/websocket/ws_policy.h"

#define WS_ANSWER_MAX 1024

enum ws_decision {
    WS_UPGRADE, // frames follow
    WS_PAGE,    // a browser asks for a page, and there is one: `text` is empty
    WS_REFUSE,
};

struct ws_rules {
    struct ws_policy policy;
    const char *const *protocols; // ws_protocols; tokens of at most 128 characters
    size_t n_protocols;
    bool has_page;
};

struct ws_answer {
    enum ws_decision decision;
    int status;           // 101, 200 (WS_PAGE), 400 ...
    const char *why;      // of WS_REFUSE: a constant text
    const char *protocol; // chosen, of `protocols`; NULL: none
    char text[WS_ANSWER_MAX];
    size_t length;
};

// Decides about a request that is whole.
void ws_handshake_answer(const struct http_request *request, const struct ws_rules *rules,
                         struct ws_answer *ret);

// The answer that refuses with a status of http_request_read(), or with 408 when none came in time.
void ws_handshake_refuse(int status, struct ws_answer *ret);
