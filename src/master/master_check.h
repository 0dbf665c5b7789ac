// SPDX-License-Identifier: MIT
// A check of the configuration where it would run, in a child as at a reload. Whatever is found,
// nothing changes; the watcher is told.
#pragma once

#include "master/master_state.h"

// 0; -EBUSY: one is running; -EALREADY: a reload or the start is, which checks by itself; -errno.
int check_start(struct master *master);
// When it takes too long, USEC_NEVER: there is none.
uint64_t check_due(const struct master *master);
// Tells what was found, once it is, or that it takes too long.
void check_decide(struct master *master, uint64_t now_usec);
// Nobody wants to know any more.
void check_cancel(struct master *master);
