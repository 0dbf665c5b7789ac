// SPDX-License-Identifier: MIT
// Lines of the service's own in the log, from a program's standard error or from a module: how many
// a worker may write in a second, so that one that does not end fills nobody's disk.
#pragma once

#include <stddef.h>

#include "config/config.h"
#include "session/session.h"

#define SESSION_LINES 1000 // a second

// Logs the line as session_log_line() does, or leaves it out and counts it.
void session_lines_log(const struct tcpd_session *session, const struct service *service,
                       const struct config *config, int priority, const char *line, size_t length);
// Says how many were left out, if any.
void session_lines_tell(const struct tcpd_session *session, const struct service *service,
                        const struct config *config);
