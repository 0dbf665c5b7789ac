// SPDX-License-Identifier: MIT
// What was wrong at the start before, while systemd starts tcpd again and again: so that it is
// logged whole but once. It is kept in a file in the directory that the unit has for it, which
// systemd removes at a stop; without one ($RUNTIME_DIRECTORY) each start is the first. Whoever can
// write there can only have it said once more, or in short.
#pragma once

#include <stdbool.h>

#include "base/problems.h"

// How many starts one behind the other have failed for the same before this one; 0: it is new.
// Keeps what this one fails for.
unsigned mistakes_repeated(const struct problems *problems);
// The start was a good one, or somebody stops it, who has seen enough.
void mistakes_forget(void);
