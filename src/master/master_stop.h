// SPDX-License-Identifier: MIT
// Stopping.
#pragma once

#include "master/master_state.h"

#define MASTER_EXTEND_USEC (5 * USEC_PER_SEC) // what systemd is asked for, anew each tick

// Starts to stop: drains, or kills at once. Asked for a second time it does so at once, too.
void master_stop(struct master *master, bool at_once, int exit_status);
// Kills the last workers when their time is over.
void master_kill_late(struct master *master, uint64_t now_usec);
