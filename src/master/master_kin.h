// SPDX-License-Identifier: MIT
// Who may steer the master, by a signal or over the control socket: not its workers, nor anything
// that one of them has started. What comes from them is refused, and an alert says so. A process
// that was there before tcpd, and is its child all the same, is none of them.
#pragma once

#include <stdbool.h>
#include <sys/signalfd.h>

#include "master/master_state.h"

// At the start, before there is a worker.
void master_meet_kin(struct master *master);

// Whether the signal is one to be ignored. As a service of the system's manager tcpd takes them
// from other users than its own alone: root, whom the manager is. One that came with a value
// (sigqueue(3)) has a sender that can be invented.
bool master_refuses_signal(struct master *master, const struct signalfd_siginfo *si);

// The same of a request by a process of that user, named as in "requests a reload". One that has
// ended is refused, too.
bool master_refuses_request(struct master *master, pid_t pid, uid_t uid, const char *request);

// After each period, how many of them were not logged.
void master_report_refused(struct master *master);
