// SPDX-License-Identifier: MIT
// From a request to what is wanted, or to a status that refuses it: host, path, query, Accept, in
// this order. Pure.
#pragma once

#include "config/form.h"
#include "transport/http_request.h"

enum status_what {
    STATUS_PAGE,
    STATUS_PART, // of the page: what changes
    STATUS_METRICS,
    STATUS_JSON,
    STATUS_SESSIONS, // the same of those
    STATUS_HEALTH,
    STATUS_SCRIPT,
    STATUS_STYLE,
    STATUS_ICON,
};

struct status_wish {
    enum status_what what;
    bool without_histograms;
    bool is_open;                 // OpenMetrics
    bool has_services;            // only those:
    char services[HTTP_LINE_MAX]; // names, with a comma behind each
};

// 200, or the status of an answer that refuses it, with why: a constant text. hosts: names besides
// localhost and addresses.
int status_request_judge(const struct http_request *request, const struct text_list *hosts,
                         struct status_wish *ret, const char **ret_why);

// Whether a text is a host's name, without a port, and no address.
bool status_host_is_name(const char *text);

// The next name of those that are wanted, which is copied; NULL: no more. *at begins as 0.
const char *status_wish_next(const struct status_wish *wish, size_t *at, char name[HTTP_LINE_MAX]);
// Whether a service is one of them, or all are.
bool status_wish_has(const struct status_wish *wish, const char *service);
