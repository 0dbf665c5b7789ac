// SPDX-License-Identifier: MIT
// The answer of GetCounters() as structs, for whoever shows it. What a daemon of another version
// does not say is 0 or empty, what it says beyond is passed over.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "base/histogram.h"

#define COUNTERS_NAMES 32 // of one list

// Numbers by name; the names are the message's.
struct counters_list {
    const char *names[COUNTERS_NAMES];
    uint64_t numbers[COUNTERS_NAMES];
    size_t n;
};

struct counters_daemon {
    const char *version, *state; // the message's
    uint64_t pid, started_usec, generation, addresses_not_served;
    bool reload_is_good;
    struct counters_list reloads;
};

struct counters_pool {
    const char *service, *listener; // the message's
    uint64_t begun, slow, received, sent, accept_errors;
    struct counters_list results, refused, workers, exits, lost;
    struct histogram duration, wait, reply;
    uint64_t min, spare, max, queue, queue_limit, full_usec, starts, fork_failures;
    bool is_throttled, is_paused, is_resized;
    bool accepts_itself; // a program: nobody knows whether a worker serves
};

struct counters {
    struct counters_daemon daemon;
    struct counters_pool *pools; // owned
    size_t n;
};

// Reads the answer, which must stay as long as what was read. 0 or -errno; then it is empty.
int counters_read(sd_bus_message *reply, struct counters *ret);
void counters_done(struct counters *counters);

// The number of that name; 0: it has none.
uint64_t counters_number(const struct counters_list *list, const char *name);
