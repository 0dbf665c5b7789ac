// SPDX-License-Identifier: MIT
// exit_idle_time.
#pragma once

#include "master/master_state.h"

// When it would be over, USEC_NEVER.
uint64_t master_idle_due(const struct master *master, uint64_t now_usec);
void master_exit_if_idle(struct master *master, uint64_t now_usec);
// Says why the configuration's exit_idle_time has no effect, if so.
void master_warn_of_idle(const struct master *master);
