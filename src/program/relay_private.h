// SPDX-License-Identifier: MIT
// What relay.c and relay_deadlines.c have in common.
#pragma once

#include "program/relay.h"

static inline bool relay_way_is_open(const struct relay_way *way)
{
    return way->n == 0 && !way->has_ended;
}

// Whether the far end's end is held back, before any byte: it may be that of a program which has
// failed, as who has started it is about to know.
bool relay_is_held(const struct relay *relay, enum relay_end from);

// The nearest of the session's limits; USEC_NEVER.
uint64_t relay_limit(const struct relay *relay);

// When the client's stages are to be looked at, without an event of its socket; 0: now.
uint64_t relay_stage_due(const struct relay *relay);

// Ends the session if one of its limits is over.
void relay_keep_deadlines(struct relay *relay);
