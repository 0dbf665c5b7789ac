// SPDX-License-Identifier: MIT
// The master: one sd-event loop that keeps the pools at their size, answers signals, reloads and
// stops. It does not die, does not block, and believes nothing that workers write.
#pragma once

#include "master/master_state.h"

// Makes the pools, without a worker yet; takes over config and set, while source, which reloads
// ask, stays the caller's. 0, or -errno: it cannot start.
int master_open(struct master *ret, const struct config_source *source, struct config *config,
                struct listener_set *set);
// Runs the pools until a signal ends them. Returns the exit status.
int master_run(struct master *master);
void master_close(struct master *master);
