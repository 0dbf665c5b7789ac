// SPDX-License-Identifier: MIT
// Back-off after failures in a row: early deaths of workers, failed forks. Pure: time is an
// argument.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct throttle_rule {
    unsigned n_free;     // failures in a row that cost nothing
    uint64_t first_usec; // the wait after the next one; doubles with each more
    uint64_t max_usec;
};

struct throttle {
    unsigned n_failures; // in a row
    uint64_t until_usec; // no new try before
};

// Early deaths: three are replaced at once, then 100 ms, 200 ms ... 30 s.
extern const struct throttle_rule throttle_deaths;
// Copies of a program that may have served nobody: after twenty, one each 100 ms.
extern const struct throttle_rule throttle_doubts;
// Failed forks: 100 ms, 200 ms ... 10 s.
extern const struct throttle_rule throttle_forks;

// Counts a failure; returns the wait it costs, 0 for none.
uint64_t throttle_fail(struct throttle *throttle, const struct throttle_rule *rule,
                       uint64_t now_usec);
// Forgets all failures.
void throttle_reset(struct throttle *throttle);
// The last failure has cost a wait, and the next one will.
bool throttle_is_on(const struct throttle *throttle, const struct throttle_rule *rule);
// How long to wait still, 0: go.
uint64_t throttle_wait(const struct throttle *throttle, uint64_t now_usec);
