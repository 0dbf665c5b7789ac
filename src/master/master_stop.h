// SPDX-License-Identifier: MIT
// Stopping.
#pragma once

#include "master/master_state.h"

// Starts to stop: drains, after drain_delay, or kills at once. Asked for again it waits no longer
// for the one; and then for the other, too.
void master_stop(struct master *master, bool at_once, int exit_status);
// The same without drain_delay: there is nobody whom it would help.
void master_stop_idle(struct master *master);
// Each tick: asks systemd for more time, until the last workers are killed: who outlives that is
// systemd's to deal with.
void master_extend_stop(const struct master *master);
// When there is something to be done for it; USEC_NEVER.
uint64_t master_stop_due(const struct master *master);
// Does it: drains when drain_delay is over, and agents when nobody else is left; kills the last
// workers when their time is over. True when there is something to be looked at again.
bool master_stop_advance(struct master *master, uint64_t now_usec);
