// SPDX-License-Identifier: MIT
// What the log says of sessions, as log_sessions and log_addresses ask for it. In workers only: a
// journal that stalls costs the worker 50 ms, not the session, which is over by then.
#pragma once

#include "config.h"
#include "log_quota.h"
#include "session.h"

// The peer as the log may show it: in full, masked (IPv4 /24, IPv6 /64, no port), or "-".
const char *session_log_peer(const struct sockaddr *peer, socklen_t length,
                             enum log_addresses addresses, char *text, size_t size);

// At the session's start; writes with log_sessions = all only.
void session_log_opened(const struct session *session, const struct config *config);

// At its end, before the socket is closed (the kernel's view comes from it): all of them with
// log_sessions = all; with errors those that did not end well, within the client's quota.
void session_log_closed(const struct session *session, const struct config *config,
                        struct log_quota *quota);
