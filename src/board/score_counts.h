// SPDX-License-Identifier: MIT
// What a worker counts, in its own page: plain 64-bit stores of one writer, which readers take one
// by one, without the page's sequence. The numbers are the worker's word: they are summed up and
// shown, and nothing else.
#pragma once

#include <stdint.h>

#include "base/histogram.h"
#include "board/refusals.h"

#define SCORE_RESULTS 16 // of enum session_result, with room

struct score_counts {
    uint64_t begun;                  // sessions
    uint64_t results[SCORE_RESULTS]; // sessions that have ended, by how
    uint64_t slow;                   // of these: they took slow_session or longer
    uint64_t received, sent;         // bytes of all sessions, also of the one that goes on
    uint64_t accept_errors;
    uint64_t own_headers;       // sessions of senders that have spoken for themselves
    uint64_t refused[REFUSALS]; // clients, before they had a session
    struct histogram duration;  // from accept() to the end
    struct histogram wait;      // in the queue
    struct histogram reply;     // from accept() to the first byte sent
};

#define SCORE_COUNTS (sizeof(struct score_counts) / sizeof(uint64_t))

static inline void score_add(uint64_t *count, uint64_t n)
{
    __atomic_store_n(count, *count + n, __ATOMIC_RELAXED);
}

// n times that long.
static inline void score_observe(struct histogram *histogram, uint64_t usec, uint64_t n)
{
    score_add(&histogram->counts[histogram_index(usec)], n);
    score_add(&histogram->sum_usec, n * usec);
}
