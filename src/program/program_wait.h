// SPDX-License-Identifier: MIT
// program_mode = wait: a program that is started when clients or datagrams wait at the listener,
// which is its standard input and output, and that takes them by itself. inetd(8).
#pragma once

#include "session/session.h"

// Serves a run, whose socket is the listener: starts the program and blocks until it has ended, or
// until its time is over. TERM goes on to it. Afterwards nothing of it runs that kill_mode does not
// leave. A program that fails without an end makes the worker leave.
void program_wait_serve(struct tcpd_session *session);
