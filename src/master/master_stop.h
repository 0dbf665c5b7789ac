// SPDX-License-Identifier: MIT
// Stopping.
#pragma once

#include "master/master_state.h"

// Starts to stop: drains, or kills at once. Asked for a second time it does so at once, too.
void master_stop(struct master *master, bool at_once, int exit_status);
// Each tick: asks systemd for more time, until the last workers are killed: who outlives that is
// systemd's to deal with.
void master_extend_stop(const struct master *master);
// Kills the last workers when their time is over.
void master_kill_late(struct master *master, uint64_t now_usec);
