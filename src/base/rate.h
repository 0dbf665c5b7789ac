// SPDX-License-Identifier: MIT
// Rates as people write them: 10/s, 100/min, 1000/h; 0 is none. Pure: nothing is allocated or
// logged.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define RATE_MAX      1000000 // in each unit
#define RATE_TEXT_MAX 16

// n in so many seconds; n = 0: no rate.
struct rate {
    uint32_t n;
    uint32_t seconds; // 1, 60 or 3600; 0: no rate
};

// Parses the whole of text. 0, -EINVAL for a malformed text, -ERANGE above the maximum; *ret is set
// on success only.
int rate_parse(const char *text, struct rate *ret);

// Writes it as it is read, and returns text.
const char *rate_format(const struct rate *rate, char *text, size_t size);

// Between one and the next, in nanoseconds; 0: no rate.
uint64_t rate_interval_nsec(const struct rate *rate);
