// SPDX-License-Identifier: MIT
// How the words of a source table are laid out. Whoever reads them takes nothing for granted: an
// entry is masked, a count has 16 bits, a time that cannot be is none.
#pragma once

#include <stdatomic.h>

#include "access/source_table.h"

// Each failed try is another worker's success, so that many in a row are somebody's mischief.
#define SOURCE_TRIES      1000
#define SOURCE_ENTRY_BITS 20
#define SOURCE_STATE_BITS 3
#define SOURCE_SLACK_NSEC UINT64_C(1000000000) // clocks are read a little before they are used

static inline uint16_t source_count(uint64_t word)
{
    return (uint16_t)word;
}

static inline uint64_t source_tag(uint64_t word)
{
    return word & ~UINT64_C(0xffff);
}

static inline uint64_t source_held(uint64_t session, enum source_state state, uint32_t entry)
{
    return session << (SOURCE_ENTRY_BITS + SOURCE_STATE_BITS) |
           (uint64_t)state << SOURCE_ENTRY_BITS | entry;
}

static inline uint64_t source_held_session(uint64_t held)
{
    return held >> (SOURCE_ENTRY_BITS + SOURCE_STATE_BITS);
}

static inline unsigned source_held_state(uint64_t held)
{
    return held >> SOURCE_ENTRY_BITS & ((1U << SOURCE_STATE_BITS) - 1);
}

static inline uint32_t source_n_entries(const struct source_table *table)
{
    return table->n_sets * SOURCE_WAYS;
}

static inline uint32_t source_held_entry(const struct source_table *table, uint64_t held)
{
    return (uint32_t)held & (source_n_entries(table) - 1);
}

// A time that is not after now is over; one that is too far away was never written by us.
static inline uint64_t source_time(uint64_t nsec, uint64_t now_nsec, uint64_t at_most_nsec)
{
    return nsec <= now_nsec || nsec - now_nsec > at_most_nsec + SOURCE_SLACK_NSEC ? now_nsec : nsec;
}

static inline struct source_set *source_set_of(const struct source_table *table, uint32_t entry)
{
    return &table->sets[entry / SOURCE_WAYS & (table->n_sets - 1)];
}

static inline uint64_t source_load(const _Atomic uint64_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

static inline bool source_swap(_Atomic uint64_t *word, uint64_t *was, uint64_t next)
{
    return atomic_compare_exchange_strong_explicit(word, was, next, memory_order_acq_rel,
                                                   memory_order_relaxed);
}

// Where a source belongs.
struct source_place {
    struct source_set *set;
    uint32_t first; // entry of the set
    uint64_t tag;
};

struct source_place source_place(const struct source_table *table, const struct source_key *key);

// Makes a penalty longer; true: it comes into force with that.
bool source_ban(_Atomic uint64_t *ban, uint64_t cost_nsec, const struct source_limits *limits,
                uint64_t now_nsec);
