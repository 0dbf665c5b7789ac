// SPDX-License-Identifier: MIT
// The master's side of a source table: what a dead worker held is given back, and all is counted
// anew from what the workers hold. Nothing that is read here is trusted: it decides about the
// counts of that table and nothing else, and what is wrong in it is wrong until the next recount.
#pragma once

#include "access/source_table.h"

// A worker is dead and reaped; `held` was in its page. False: it died between two steps, so that
// nobody knows, and a recount must follow.
bool source_bury(struct source_table *table, uint64_t held);
// Before source_bury(): whoever it served crashed it. True: from now on that source is refused.
// *ret_entry is whom it was about, where something was held.
bool source_blame(struct source_table *table, uint64_t held, uint64_t cost_nsec,
                  const struct source_limits *limits, uint64_t now_nsec);

struct source_recount {
    unsigned n_entries; // whose count was put right
    unsigned too_many, too_few;
};
// Counts what the living workers of the pool hold, of which each has its word in `held`, and puts
// right what is certainly wrong: with their words looked at before and after the counts, whoever
// moved meanwhile may be there or not. 0, -ENOMEM.
int source_recount(struct source_table *table, const _Atomic uint64_t *const held[],
                   size_t n_workers, struct source_recount *ret);

// The entry of a held word; not known where it holds nothing.
struct source_entry source_held_by(const struct source_table *table, uint64_t held,
                                   const struct source_lengths *lengths);
// The n sources with most connections, then with the longest penalties; how many were found, n at
// most. *ret_used: of how many.
size_t source_list(const struct source_table *table, const struct source_lengths *lengths,
                   const struct source_limits *limits, uint64_t now_nsec, struct source_entry ret[],
                   size_t n, size_t *ret_used);
// Forgets what a source, or each of them (NULL), has to wait for. How many had a penalty.
unsigned source_pardon(struct source_table *table, const struct source_key *key,
                       const struct source_limits *limits, uint64_t now_nsec);
