// SPDX-License-Identifier: MIT
// What records of sessions and of refused clients have in common.
#pragma once

#include "log/log.h"
#include "session/session_log.h"

// Whom a connection is for: "192.0.2.1:40000 through 10.0.0.5:51200". Returns text.
#define SESSION_WHOM_MAX (2 * ADDRESS_TEXT_MAX + 16)
const char *session_log_whom(const struct tcpd_session *session, enum log_addresses addresses,
                             char *text, size_t size);
// The fields that all of them have: service, peer, local address, proxy. How many.
size_t session_log_ends(struct log_field *fields, const struct tcpd_session *session,
                        enum log_addresses addresses);
// Writes what is kept if that needs no waiting.
void session_log_write(struct log_quota *quota, bool is_kept);
// Whether n records are within log_sessions_rate. Text has readers of its own, and no bound.
bool session_log_may(const struct config *config, struct log_quota *quota, unsigned n, bool urgent,
                     uint64_t now);
