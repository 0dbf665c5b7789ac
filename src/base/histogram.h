// SPDX-License-Identifier: MIT
// How often something took how long: counts between bounds that are the same everywhere, 1-2-5 from
// 100 microseconds to 50,000 s, so that no two views of them can disagree. Pure.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_BOUNDS 27

struct histogram {
    uint64_t counts[HISTOGRAM_BOUNDS + 1]; // of each: up to its bound, above the one before; the
                                           // last has what is above all bounds
    uint64_t sum_usec;
};

// In microseconds, ascending.
extern const uint64_t histogram_bounds[HISTOGRAM_BOUNDS];

// Where that time counts.
size_t histogram_index(uint64_t usec);
// All that were counted.
uint64_t histogram_count(const struct histogram *histogram);
