// SPDX-License-Identifier: MIT
// What the master says of itself and its pools.
#pragma once

#include "master/master_state.h"

// STATUS=, sent when it has changed.
const char *master_status(struct master *master);
// The answer to USR1: a line a pool.
void master_log_status(struct master *master);
