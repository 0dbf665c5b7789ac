// SPDX-License-Identifier: MIT
// Finds a module that hangs: in its open(), serve() or close() without a sign of life for
// hang_timeout. Such a process says so on standard error and aborts, for the core. A sign of life
// is a call of a tcpd_*() function that reads, writes, waits, logs or asks tcpd_stopping(); a
// module that is blocked in one is alive, too. Costs no system call a session: SIGALRM comes a few
// times in hang_timeout while there are sessions.
#pragma once

#include "session/session.h"

// Once in a worker. hang_usec 0: nothing is watched. 0 or -errno.
int module_watch_start(uint64_t hang_usec, const char *service, const char *module);
// Around each call of the module's code; session: what it serves, NULL: none.
void module_watch_enter(const struct tcpd_session *session);
void module_watch_leave(void);
