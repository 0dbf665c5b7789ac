// SPDX-License-Identifier: MIT
// What a worker that has died had yet to write of its sessions.
#pragma once

#include "pool/pool.h"

// Writes the lines that its page has, of at most so many of a pool's workers in a period, and
// counts the others as lost. Before the worker is removed.
#define DEATH_LEFT_A_PERIOD 100
void death_write_left(const struct pools *pools, const struct worker *worker);
