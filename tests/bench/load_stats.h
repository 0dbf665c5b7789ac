// SPDX-License-Identifier: MIT
// What the load generator counts: operations, bytes, errors by kind, and latencies in a histogram
// whose buckets are at most 1.6 % wide. Fixed memory, no allocation, nothing is printed here.
#pragma once

#include <errno.h>
#include <stdint.h>

#define STATS_STEPS 64 // buckets per doubling

enum stats_error { WRONG_BYTES, EXCESS, SHORT, REFUSED, RESET, TIMEOUT, OTHER, N_STATS_ERRORS };

struct stats {
    uint64_t n_operations, n_bytes, n_errors, max_usec;
    uint64_t answered_usec, n_again; // of a burst: the last answer; answers after the hold
    uint64_t errors[N_STATS_ERRORS];
    uint64_t buckets[STATS_STEPS * 60];
};

static inline void stats_add(struct stats *s, uint64_t usec)
{
    int shift = 57 - __builtin_clzll(usec | (STATS_STEPS - 1));

    if (shift < 0)
        shift = 0;
    s->n_operations++;
    s->buckets[(uint64_t)shift * STATS_STEPS + (usec >> shift)]++;
    if (usec > s->max_usec)
        s->max_usec = usec;
}

// Counts the negative errno that ended an operation; EBADMSG, EOVERFLOW and ENODATA stand for
// answers that are wrong, too long and too short.
static inline void stats_fail(struct stats *s, int error)
{
    enum stats_error kind = error == -EBADMSG                         ? WRONG_BYTES
                            : error == -EOVERFLOW                     ? EXCESS
                            : error == -ENODATA                       ? SHORT
                            : error == -ECONNREFUSED                  ? REFUSED
                            : error == -ECONNRESET || error == -EPIPE ? RESET
                            : error == -ETIMEDOUT                     ? TIMEOUT
                                                                      : OTHER;
    s->n_errors++;
    s->errors[kind]++;
}

// The latency that `percent` of the operations did not exceed, to a bucket's width.
static inline uint64_t stats_percentile(const struct stats *s, unsigned percent)
{
    uint64_t seen = 0, want = (s->n_operations * percent + 99) / 100;
    uint64_t i = 0;

    while (i < STATS_STEPS * 60 - 1 && (seen += s->buckets[i]) < want)
        i++;
    return i < 2 * STATS_STEPS ? i : (i % STATS_STEPS + STATS_STEPS) << (i / STATS_STEPS - 1);
}
