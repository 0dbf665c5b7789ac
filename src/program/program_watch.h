// SPDX-License-Identifier: MIT
// program_mode = connection: a program that has its client's socket, while it serves. In workers
// only.
#pragma once

#include "program/program.h"
#include "session/session.h"

// Blocks until the program has ended and nobody that it has started has the client's socket open,
// or kill_grace after its end; or until its time is over, see the session's result. Logs what it
// writes to standard error.
void program_watch(struct program *program, struct tcpd_session *session);
