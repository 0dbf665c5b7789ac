// SPDX-License-Identifier: MIT
// A program that cannot be started as the system is short of processes, memory or files: that
// passes, so its client waits, and its worker is none that fails. In workers only.
#pragma once

#include <stdbool.h>

#include "session/session.h"

// When the session must be over; *ret_result: what that would be.
uint64_t program_due(const struct tcpd_session *session, enum session_result *ret_result);

// Whether that, as program_start() gave it, may pass.
bool program_is_shortage(const struct service *service, int error);

// Blocks for a while, longer each time: 100 ms, 200 ms ... 2 s. False: the client is gone, or its
// time is over; the session has ended.
bool program_wait_for_room(struct tcpd_session *session, unsigned *n_waits);

// Whether the client's connection is no more: reset, or given up. POLLERR alone does not say so.
bool program_client_is_dead(const struct tcpd_session *session);
