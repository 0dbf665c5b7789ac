// SPDX-License-Identifier: MIT
// Looking at all pools: starts what is missing, closes what goes, moves the phases on.
#pragma once

#include "master/master_state.h"

// Returns true when it should run again at once.
bool master_balance(struct master *master, uint64_t now_usec);
// When balancing wants to be called again without any event, USEC_NEVER.
uint64_t master_balance_due(const struct master *master, uint64_t now_usec);
