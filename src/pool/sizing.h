// SPDX-License-Identifier: MIT
// How many workers there should be. Pure: counts and time are arguments, nothing is started or
// stopped here.
#pragma once

#include <stdint.h>

#include "config/config.h"

struct sizing_limits {
    unsigned min, spare, max;
};

// What the master counted in one pool. Draining workers are in none of the numbers.
struct sizing_counts {
    unsigned active; // workers of the current generation
    unsigned idle;   // of these: waiting in accept(), or on their way there
    unsigned queued; // connections in the kernel's accept queue
};

// Tells a lasting surplus from a passing one.
struct sizing_surplus {
    uint64_t since_usec; // 0: none
};

// What keeps to a rate.
struct sizing_bucket {
    uint64_t level;       // one worker costs USEC_PER_SEC of it
    unsigned granted;     // that cost nothing
    uint64_t filled_usec; // when it was last topped up; 0: never, so full
};

#define SIZING_SURPLUS_USEC UINT64_C(5000000) // how long a surplus must last

// The number of active workers wanted: those busy, one for each queued connection and the spare
// ones, within min and max.
unsigned sizing_target(const struct sizing_limits *limits, const struct sizing_counts *counts);

// Workers to start now.
unsigned sizing_missing(const struct sizing_limits *limits, const struct sizing_counts *counts);

// Workers to drain now, called about once a second: an eighth of a surplus that has lasted.
unsigned sizing_excess(const struct sizing_limits *limits, const struct sizing_counts *counts,
                       struct sizing_surplus *surplus, uint64_t now_usec);

// Takes up to `wanted` workers out of the bucket; returns how many.
unsigned sizing_take(struct sizing_bucket *bucket, const struct spawn_rate *rate, unsigned wanted,
                     uint64_t now_usec);

// Lets the next n workers be started at once, whatever the rate: the administrator has asked for
// them. Not added to what was granted before.
void sizing_grant(struct sizing_bucket *bucket, unsigned n);
