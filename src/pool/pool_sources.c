// SPDX-License-Identifier: MIT
// Nothing in the table is trusted: access/source_audit.h. Without memory for a recount the counts
// stay as they are until the next one.

#include "pool/pool_sources.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "access/source_audit.h"
#include "base/base.h"

#define RECOUNT_USEC  (10 * USEC_PER_SEC)
#define NSEC_PER_USEC UINT64_C(1000)

// Once for all; before the system has random numbers there are no limits to keep, and no worker.
static int make_secret(struct pools *pools)
{
    if (pools->has_secret)
        return 0;
    if (getrandom(&pools->secret, sizeof(pools->secret), GRND_NONBLOCK) !=
        (ssize_t)sizeof(pools->secret))
        return errno > 0 ? -errno : -EIO;
    pools->has_secret = true;
    return 0;
}

int pool_sources_open(struct pools *pools, struct pool *pool)
{
    struct pool_sources *sources = &pool->counted;
    uint32_t n = source_settings_entries(&pool->service->sources, pool->service->max_workers);
    void *memory;
    int r;

    if (sources->memory || !source_settings_are_on(&pool->service->sources))
        return 0;
    r = make_secret(pools);
    if (r < 0)
        return r;
    memory = mmap(NULL, source_table_bytes(n), PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return -errno;
    *sources = (struct pool_sources){.memory = memory, .n_bytes = source_table_bytes(n)};
    pool_sources_keep(pool);
    source_table_attach(&sources->table, memory, n, &pools->secret);
    return 0;
}

void pool_sources_close(struct pool *pool)
{
    if (pool->counted.memory)
        (void)munmap(pool->counted.memory, pool->counted.n_bytes);
    pool->counted = (struct pool_sources){0};
}

void pool_sources_lend(const struct pool *pool)
{
    if (pool->counted.memory)
        (void)madvise(pool->counted.memory, pool->counted.n_bytes, MADV_DOFORK);
}

void pool_sources_keep(const struct pool *pool)
{
    if (pool->counted.memory)
        (void)madvise(pool->counted.memory, pool->counted.n_bytes, MADV_DONTFORK);
}

bool pool_sources_bury(const struct pools *pools, const struct worker *worker, bool crashed,
                       uint64_t now_usec)
{
    struct pool_sources *sources = &worker->pool->counted;
    const struct source_settings *settings = &worker->pool->service->sources;
    const struct source_limits limits = source_settings_limits(settings);
    uint64_t cost_usec = crashed ? settings->penalties_usec[SOURCE_CRASH] : 0, held;
    bool bites = false;

    if (!sources->memory)
        return false;
    held = *scoreboard_held(&pools->board, worker->slot);
    if (cost_usec > 0)
        bites = source_blame(&sources->table, held, cost_usec * NSEC_PER_USEC, &limits,
                             now_usec * NSEC_PER_USEC);
    if (!source_bury(&sources->table, held))
        sources->due_usec = now_usec; // at the next tick
    return bites;
}

void pool_sources_tend(const struct pools *pools, struct pool *pool, uint64_t now_usec)
{
    const _Atomic uint64_t **held;
    struct source_recount recount;
    size_t n = 0;

    if (!pool->counted.memory || now_usec < pool->counted.due_usec)
        return;
    pool->counted.due_usec = now_usec + RECOUNT_USEC;
    held = calloc(pool_size(pool) + 1, sizeof(const _Atomic uint64_t *));
    for (const struct worker *worker = pool->workers; held && worker; worker = worker->next)
        held[n++] = scoreboard_held(&pools->board, worker->slot);
    if (held)
        (void)source_recount(&pool->counted.table, held, n, &recount);
    free(held);
}
