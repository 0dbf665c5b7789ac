// SPDX-License-Identifier: MIT
// What the log says of sessions, as log_sessions, log_sessions_rate and log_addresses ask for it.
// In workers only, but for the report. A session never waits for its records: one that finds no
// room is tried again at the session's end, and once more after it; then it is lost and counted.
#pragma once

#include "board/log_quota.h"
#include "config/config.h"
#include "session/session.h"

// The peer as the log may show it: in full, masked (IPv4 /24, IPv6 /64, no port), or "-".
const char *session_log_peer(const struct sockaddr *peer, socklen_t length,
                             enum log_addresses addresses, char *text, size_t size);

// Whether each session has a line, in batches, instead of records of its start and its end.
bool session_log_has_lines(const struct config *config);

// At the session's start; writes with log_sessions = all only. In the journal a session has both
// records or none, unless it ends badly: that is logged when log_sessions_rate allows it by then.
void session_log_opened(struct tcpd_session *session, const struct config *config,
                        struct log_quota *quota);

// At its end, when ended_usec is set, before the socket is closed (the kernel's view comes from
// it): all of them with log_sessions = all; with errors those that did not end well or were slow,
// within the client's quota. Whatever is logged, its record is among the worker's last ones.
void session_log_closed(const struct tcpd_session *session, const struct config *config,
                        struct log_quota *quota);

// A line of the service's own, from a program's standard error or a module, under the identifier
// tcpd/SERVICE and with the fields of its session, if there is one (NULL: none). What is not plain
// text is escaped.
void session_log_line(const struct tcpd_session *session, const struct service *service,
                      const struct config *config, int priority, const char *line, size_t length);

// After it, or at the worker's end (listener: -1). Tries again what has found no room; while nobody
// waits at the listener for up to 20 ms, and what finds none even then is lost and counted. Lines
// of sessions stay for a while, but at the worker's end.
void session_log_flush(struct log_quota *quota, int listener);

// The master's: writes the lines that a worker which has died had yet to write, and which its page
// has. The others are lost and counted; without may_write all are. Whether there was any.
struct session_left {
    const struct recent *recent;
    const char *pool_name;
    const struct service *service;
    const struct config *config;
    struct log_quota *quota;
    pid_t pid;
};
bool session_log_left(const struct session_left *left, bool may_write);

// The master's: begins a period, and says how many records the one before has lost; adds those that
// it could say to the sums.
void session_log_report(struct log_quota *quota, const char *pool_name, const struct config *config,
                        uint64_t sums[LOG_LOSSES]);
