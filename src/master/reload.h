// SPDX-License-Identifier: MIT
// Reload.
#pragma once

#include "master/master_state.h"

// Reads everything anew; on any error keeps what there is and says why. Logs.
void reload_start(struct master *master);
// Drains the old generation where the new one is ready; ends the reload when all are.
void reload_advance(struct master *master, uint64_t now_usec);
