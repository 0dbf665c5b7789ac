// SPDX-License-Identifier: MIT
// Copies of a program that accepts by itself that have nothing to do.
#pragma once

#include "master/master_state.h"

// A copy has exited with status 0, after its trial. It rests, and is started again when a client
// comes; where clients wait, that is at once. False: it has certainly taken nobody of those who
// wait, which is an early death. May log.
bool master_let_rest(struct master *master, const struct worker *worker, uint64_t now_usec);
// Has as many as are called for started at the next occasion.
void master_call_resting(struct pool *pool);
// The pool's listener is about to be closed.
void master_forget_resting(struct pool *pool);
