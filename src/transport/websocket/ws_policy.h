// SPDX-License-Identifier: MIT
// Which pages and names may come in: a browser lets every page open a WebSocket to every host,
// loopback too, and only tells whose page it is. Pure; everything here is judged by its text.
#pragma once

#include "transport/http_request.h"

// From tcpd.conf, and the listener. Lists may be empty.
struct ws_policy {
    const char *const *origins; // ws_origins: "same", "*" or as browsers write one
    size_t n_origins;
    const char *const *hosts; // ws_hosts: with a port or without, "*"
    size_t n_hosts;
    const char *path; // ws_path; "*": any
    bool is_tls;      // wss: the page comes by https, else by http
    bool is_proxied;  // ws:unix: by either, as a proxy may speak TLS
    bool is_local;    // listens on loopback or unix alone: Host by a name is not believed
};

// Each returns the status of an answer that refuses (400, 403, 404), or 0. *ret_why, set if it
// refuses, is a constant text for the log and the answer.
int ws_policy_judge_host(const struct ws_policy *policy, struct http_text host,
                         const char **ret_why);
int ws_policy_judge_origin(const struct ws_policy *policy, struct http_text origin,
                           struct http_text host, const char **ret_why);
int ws_policy_judge_path(const struct ws_policy *policy, struct http_text path,
                         const char **ret_why);
