// SPDX-License-Identifier: MIT
// program_mode = prestart: a program that runs before its client comes, one for each worker that
// waits. In workers only; program_open() comes first.
#pragma once

#include "session/serving.h"
#include "session/session.h"

// Starts the instance for the first client. 0, or -errno after logging why.
int prestart_open(const struct tcpd_worker *worker);

// Serves with the instance that waits, and starts the next one meanwhile. Afterwards nothing of
// the one that has served runs. Where none can be started the worker is told to leave.
void prestart_serve(struct tcpd_session *session);

// Serves as connection mode does, but on a socket pair: with a program that is started now, and
// knows its client. For a session with stages, of whose bytes a program has no use.
void prestart_serve_late(struct tcpd_session *session);

// Ends the instance that waits. Blocks for kill_grace at most.
void prestart_close(void);
