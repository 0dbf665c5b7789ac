// SPDX-License-Identifier: MIT
// What the pools did between two looks at their counters: rates, shares of time, percentiles; which
// pools are shown, and in which order. Pure.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/histogram.h"
#include "view/counters.h"

#define RATES_NONE   UINT64_MAX       // of a percentile: nothing was counted
#define RATES_BEYOND (UINT64_MAX - 1) // it is above all bounds

// Of one pool, or the sum of all.
struct rates {
    const struct counters_pool *pool;           // as it is now; NULL: of several
    double sessions, received, sent;            // a second; sessions: that have begun
    double failed, refused;                     // a second; sessions that ended otherwise than well
    double full;                                // share of the time at the maximum, 0 to 1
    double busy;                                // share of the maximum
    uint64_t duration_50, duration_99, wait_99; // microseconds: at most
    uint64_t n_busy, n_idle, n_parked, n_starting, n_draining, n_workers; // those but draining
    uint64_t min, spare, max, queue, starts, deaths;
};

struct rates_view {
    struct rates *rates; // owned
    size_t n;
    struct rates sum; // of those
};

enum rates_order {
    RATES_AS_CONFIGURED,
    RATES_BY_BUSY,
    RATES_BY_RATE,
    RATES_BY_IN,
    RATES_BY_OUT,
    RATES_BY_QUEUE,
    RATES_BY_WAIT,
    RATES_BY_FAILED,
    RATES_ORDERS
};
extern const char *const rates_order_names[RATES_ORDERS];

struct rates_choice {
    const char *service; // "": all
    const char *words;   // part of a service's or listener's name, in capitals or not; "": all
    enum rates_order order;
    bool is_reversed;
};

// The bound below which so many per cent are of what was counted since before (NULL: ever).
uint64_t rates_percentile(const struct histogram *now, const struct histogram *before,
                          unsigned per_cent);

// Of one pool, in so many microseconds since before (NULL: since its start).
struct rates rates_make(const struct counters_pool *now, const struct counters_pool *before,
                        uint64_t usec);

// False: the second look found another daemon than the first.
bool rates_is_same_daemon(const struct counters *before, const struct counters *now);

// Of all pools that were chosen. before NULL: since the start. *ret belongs to the caller, and
// points into now.
void rates_view_make(struct rates_view *ret, const struct counters *now,
                     const struct counters *before, uint64_t usec,
                     const struct rates_choice *choice);
void rates_view_done(struct rates_view *view);
