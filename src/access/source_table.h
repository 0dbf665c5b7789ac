// SPDX-License-Identifier: MIT
// How many connections each source has: one table a pool, in memory that its workers and the master
// share. No lock, no pointer and no length is in there. A worker enters before it serves and leaves
// after it; what it holds stands in a word of its own page, in steps that tell the master what a
// dead one has left behind (access/source_audit.h).
//
// Order, which the exactness rests on: `held` says PENDING before the count is touched and HELD
// after it, LEAVING before it is given back and FREE after it. All else here may be lost.
// tests/models/sources.pml is this protocol.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "access/source_key.h"

#define SOURCE_WAYS        8
#define SOURCE_ENTRIES_MIN 1024
#define SOURCE_ENTRIES_MAX 1048576
#define SOURCE_COUNT_MAX   65535 // connections of one source

struct source_set {
    _Atomic uint64_t count[SOURCE_WAYS];     // 48 bits of tag, 16 bits of connections; 0: free
    _Atomic uint64_t paid[SOURCE_WAYS];      // GCRA: the rate is paid for until then, in ns
    _Atomic uint64_t ban[SOURCE_WAYS];       // the penalty that is outstanding ends then, in ns
    _Atomic uint64_t prefix[SOURCE_WAYS][2]; // to be shown, if it gives the tag again
};

// A process's own description of the shared memory.
struct source_table {
    struct source_set *sets; // the first half for IPv4 and users, the second for IPv6
    uint32_t n_sets;         // a power of two
    struct siphash_secret secret;
};

struct source_limits {
    unsigned connections;   // 0: no limit
    uint64_t interval_nsec; // between two connections of one source; 0: no limit
    unsigned burst;
    uint64_t penalty_min_nsec, penalty_max_nsec; // in force from, at most
    bool overflow_refuses;
};

enum source_verdict {
    SOURCE_ENTERED,
    SOURCE_UNCOUNTED, // no room, and that is allowed
    SOURCE_PENALTY,   // the rest are refusals
    SOURCE_CONNECTIONS,
    SOURCE_RATE,
    SOURCE_OVERFLOW,
    SOURCE_VERDICTS
};

// The word in a worker's page: 20 bits of entry, 3 bits of state, the rest numbers its sessions.
enum source_state {
    SOURCE_FREE,
    SOURCE_PENDING,  // about to count; nobody knows
    SOURCE_CLAIMING, // the same, with an entry that was another's
    SOURCE_HELD,
    SOURCE_LEAVING, // about to give back; nobody knows
};

// What a worker holds, in memory of its own.
struct source_hold {
    _Atomic uint64_t *held; // in its page
    uint64_t session;
    uint64_t tag;
    uint32_t entry;
    bool is_held;
};

// A copy of what is known of a source.
struct source_entry {
    struct source_key key;
    bool is_known; // else no key, just numbers
    unsigned connections;
    uint64_t paid_nsec, ban_nsec;
};

// Entries for `wanted` (0: for so many workers), a power of two; `remembers`: rates or penalties.
uint32_t source_table_entries(uint32_t wanted, unsigned max_workers, bool remembers);
size_t source_table_bytes(uint32_t n_entries);
// Takes memory that is empty, or was attached with the same secret before.
void source_table_attach(struct source_table *table, void *memory, uint32_t n_entries,
                         const struct siphash_secret *secret);
// What is known of a source; writes nothing.
struct source_entry source_look(const struct source_table *table, const struct source_key *key);
// What source_enter() would say of an entry: SOURCE_ENTERED, or why not.
enum source_verdict source_judge(const struct source_entry *entry,
                                 const struct source_limits *limits, uint64_t now_nsec);

// --- A worker's side ---
enum source_verdict source_enter(struct source_table *table, struct source_hold *hold,
                                 const struct source_key *key, const struct source_limits *limits,
                                 uint64_t now_nsec);
void source_leave(struct source_table *table, struct source_hold *hold);
// Charges a source that may not be held, if it is known.
bool source_charge(struct source_table *table, const struct source_key *key, uint64_t cost_nsec,
                   const struct source_limits *limits, uint64_t now_nsec);
// Charges the source that is held. True: from now on it is refused.
bool source_offend(struct source_table *table, const struct source_hold *hold, uint64_t cost_nsec,
                   const struct source_limits *limits, uint64_t now_nsec);
