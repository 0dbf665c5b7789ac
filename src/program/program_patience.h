// SPDX-License-Identifier: MIT
// A program that cannot be started as the system is short of processes, memory or files: that
// passes, so its client waits, and its worker is none that fails. In workers only.
#pragma once

#include <stdbool.h>

#include "session/session.h"

enum { CLOSED = 7, CLOSE_WAIT, LAST_ACK, CLOSING = 11 }; // tcpi_state, as the kernel has it

// When the session must be over; *ret_result: what that would be.
uint64_t program_due(const struct tcpd_session *session, enum session_result *ret_result);

// Whether that, as program_start() gave it, may pass.
bool program_is_shortage(const struct service *service, int error);

// After a start for a client that is there, which failed with this error. True: it may pass, and
// this has blocked for a while, longer each time (100 ms, 200 ms ... 2 s). False: the session has
// ended, as it will not pass, the client is gone, or its time is over.
bool program_tries_again(struct tcpd_session *session, int error, unsigned *n_waits);

// Whether the client's connection is no more: reset, or given up. POLLERR alone does not say so.
bool program_client_is_dead(const struct tcpd_session *session);
