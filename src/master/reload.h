// SPDX-License-Identifier: MIT
// Reload.
#pragma once

#include "master/master_state.h"

// Has everything read anew, in a child. Logs.
void reload_start(struct master *master);
// When the reading takes too long, USEC_NEVER: there is none.
uint64_t reload_due(const struct master *master);
// Takes what was read, once it is; on any error, or when it is too late, keeps what there is and
// says why. False: nothing has changed.
bool reload_decide(struct master *master, uint64_t now_usec);
// What is listened on and can stay; its listeners are the pools', its items NULL without memory.
struct listener_set reload_make_staying_set(const struct master *master);
// Drains the old generation where the new one is ready; ends the reload when all are.
void reload_advance(struct master *master, uint64_t now_usec);
