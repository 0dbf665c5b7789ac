// SPDX-License-Identifier: MIT
#include "pool/pool_totals.h"

#include "base/base.h"

const char *const pool_exit_names[POOL_EXITS] = {
    [POOL_EXIT_DRAINED] = "drained",     [POOL_EXIT_RETIRED] = "retired",
    [POOL_EXIT_CRASHED] = "crashed",     [POOL_EXIT_KILLED] = "killed",
    [POOL_EXIT_FORBIDDEN] = "forbidden", [POOL_EXIT_FAILED] = "failed",
    [POOL_EXIT_PROGRAM] = "program",
};

void pool_totals_keep(const struct pools *pools, struct pool *pool, unsigned slot)
{
    scoreboard_add_counts(&pools->board, slot, &pool->totals.before);
}

const struct score_counts *pool_totals_sum(const struct pools *pools, struct pool *pool)
{
    struct score_counts sum = pool->totals.before;
    uint64_t *shown = (uint64_t *)&pool->totals.shown;
    const uint64_t *sums = (const uint64_t *)&sum;

    for (const struct worker *worker = pool->workers; worker; worker = worker->next)
        scoreboard_add_counts(&pools->board, worker->slot, &sum);
    for (size_t i = 0; i < SCORE_COUNTS; i++)
        if (sums[i] > shown[i])
            shown[i] = sums[i];
    return &pool->totals.shown;
}

void pool_totals_note_full(struct pool *pool, uint64_t now_usec)
{
    struct pool_totals *totals = &pool->totals;
    bool is_full = pool_is_exhausted(pool);

    if (totals->full_since_usec != 0)
        totals->full_usec += now_usec - totals->full_since_usec;
    totals->full_since_usec = is_full ? now_usec : 0;
}
