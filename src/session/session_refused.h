// SPDX-License-Identifier: MIT
// What the log says of clients that are not served, as log_refusals and log_addresses ask for it.
#pragma once

#include "board/scoreboard.h"
#include "session/session_log.h"

// A worker has refused the client of a session, which has its socket and was not begun. Counts it,
// and may write a record.
void session_log_refused(const struct tcpd_session *session, const struct config *config,
                         struct pool_hint *hint, const struct access_verdict *verdict);

// The source of a session that has ended has to wait from now on.
void session_log_penalty(const struct tcpd_session *session, const struct config *config,
                         struct pool_hint *hint);

// The master's: begins a period, and says how many were refused in the one before, of so many
// seconds (0: it was shorter), unless each had a record.
void session_log_refusals(struct refusals *refusals, const char *pool_name,
                          const struct config *config, unsigned seconds);
