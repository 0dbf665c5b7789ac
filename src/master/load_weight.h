// SPDX-License-Identifier: MIT
// What a service tells load balancers of its load: 100 when it is idle, 10 when it is full. Pure:
// counts and time are arguments.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define LOAD_WEIGHT_MIN  10 // a loaded node stays in; taking it out is for people
#define LOAD_WEIGHT_MAX  100
#define LOAD_WEIGHT_STEP 10 // what is told is a multiple of it

// What was found in all pools of a service.
struct load {
    uint64_t busy, queued, max; // workers, connections in the accept queue, workers at most
};

// Zeroed: nothing is known yet.
struct load_weight {
    uint64_t level; // in thousandths: follows the load down at once, and up slowly
    uint64_t usec;  // when that was
    unsigned told;
};

// What to tell now. now_usec: not before the last call.
unsigned load_weight_next(struct load_weight *weight, const struct load *load, uint64_t now_usec);
