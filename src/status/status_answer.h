// SPDX-License-Identifier: MIT
// Answers of HTTP. Each ends its connection, says its length, and forbids a browser all that the
// page does not need.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "tcpd/handler.h"

struct status_answer {
    int status;       // 200, or one of an error
    const char *type; // of the body
    const char *body;
    size_t length;
};

// 0, or -1: the session has ended. is_head: without the body.
int status_answer_send(struct tcpd_session *session, const struct status_answer *answer,
                       bool is_head);
// A line of text. status is one that the table has; why NULL: what it says of itself.
int status_answer_refuse(struct tcpd_session *session, int status, const char *why, bool is_head);
