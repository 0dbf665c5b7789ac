// SPDX-License-Identifier: MIT
// What is counted for a pool, over all its workers, those that are gone and those there are.
#pragma once

#include "pool/pool.h"

// A worker is gone: what it has counted is kept. Before its page is wiped.
void pool_totals_keep(const struct pools *pools, struct pool *pool, unsigned slot);
// The sums, which never fall: where a worker says less than before, what was shown stays.
const struct score_counts *pool_totals_sum(const struct pools *pools, struct pool *pool);
// After the workers were counted: for how long all have been busy.
void pool_totals_note_full(struct pool *pool, uint64_t now_usec);
