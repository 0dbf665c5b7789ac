// SPDX-License-Identifier: MIT
// Reload.
#pragma once

#include "master/master_state.h"

// Has everything read anew, in a child. Logs.
void reload_start(struct master *master);
// When reload_advance() is due, USEC_NEVER: it is not.
uint64_t reload_due(const struct master *master);
// Takes what was read; on any error keeps what there is and says why. Drains the old generation
// where the new one is ready; ends the reload when all are.
void reload_advance(struct master *master, uint64_t now_usec);
