// SPDX-License-Identifier: MIT
// Counting the workers of a pool by what they do. Looking at every worker's page takes a
// millisecond at ten thousand, so it is done at most a sixteenth of the time, and never once for
// every start or death: those are counted where they happen.

#include "base/base.h"
#include "pool/pool.h"
#include "pool/pool_totals.h"

static void count(struct worker *worker, unsigned step)
{
    struct pool *pool = worker->pool;
    struct pool_counts *counts = &pool->counts;
    bool busy = worker->seen == WORKER_BUSY;
    bool active = !worker->draining && worker->generation == pool->generation;
    bool leaves = worker->seen == WORKER_LEAVING;
    bool accepts = worker->seen != WORKER_STARTING && !leaves;

    counts->busy += busy ? step : 0;
    counts->waiting += worker->seen == WORKER_IDLE ? step : 0;
    counts->parked += worker->seen == WORKER_PARKED ? step : 0;
    counts->idle += !worker->draining && !busy && !leaves ? step : 0;
    counts->leaving += worker->draining && !busy ? step : 0;
    counts->spare += active && !busy && !leaves ? step : 0;
    counts->ready += active && accepts ? step : 0;
}

void pool_count_in(struct worker *worker)
{
    count(worker, 1);
}

void pool_count_out(struct worker *worker)
{
    count(worker, -1U); // unsigned: comes out right
}

// A program in a worker's place says nothing of itself. It is taken to serve, so that old ones go,
// when it has lived for a while: one that cannot even start ends at once.
static uint64_t trial_end(const struct worker *worker)
{
    const struct pool *pool = worker->pool;
    bool is_tried = worker->accepts_itself && pool->n_old > 0 &&
                    worker->generation == pool->generation;

    return is_tried ? worker->started_usec + pool->service->ready_usec : 0;
}

bool pool_is_on_trial(const struct worker *worker, uint64_t now_usec)
{
    return now_usec < trial_end(worker);
}

static enum worker_state look_at(const struct pools *pools, const struct worker *worker,
                                 uint64_t now_usec)
{
    enum worker_state state = scoreboard_state(&pools->board, worker->slot);

    return pool_is_on_trial(worker, now_usec) ? WORKER_STARTING : state;
}

// Nobody but a program that accepts by itself knows whether it does; its queue shows when it does
// not. Datagrams are no clients.
static void note_queue(struct pool *pool, uint64_t now_usec)
{
    bool waits = pool->service->accepts_itself && !pool_is_paused(pool) &&
                 pool->listener->bound.type != SOCK_DGRAM && listener_queued(pool->listener) > 0;

    if (!waits)
        pool->unaccepted_usec = 0;
    else if (pool->unaccepted_usec == 0)
        pool->unaccepted_usec = now_usec;
}

bool pool_scan(const struct pools *pools, struct pool *pool)
{
    uint64_t began = base_now_usec(), ended;

    pool->stale = began < pool->scan_due_usec;
    if (pool->stale)
        return false;
    pool->trial_usec = USEC_NEVER;
    for (struct worker *worker = pool->workers; worker; worker = worker->next) {
        enum worker_state state = look_at(pools, worker, began);

        if (pool_is_on_trial(worker, began) && trial_end(worker) < pool->trial_usec)
            pool->trial_usec = trial_end(worker);
        if (state == worker->seen)
            continue;
        pool_count_out(worker);
        worker->seen = state;
        pool_count_in(worker);
    }
    ended = base_now_usec();
    pool_totals_note_full(pool, ended);
    note_queue(pool, ended);
    pool->scan_due_usec = ended + POOL_REST * (ended - began);
    return true;
}

// Copies of a program that accepts by itself are as many as they are to be, whoever waits.
struct sizing_counts pool_sizing(const struct pool *pool)
{
    bool grows = !pool->service->accepts_itself;

    return (struct sizing_counts){.active = pool->n_active,
                                  .idle = pool->counts.spare,
                                  .queued = grows ? listener_queued(pool->listener) : 0};
}

unsigned pool_size(const struct pool *pool)
{
    return pool->n_active + pool->n_old + pool->n_draining;
}

static unsigned max_others(const struct pool *pool)
{
    unsigned max = pool_bounds(pool).max;

    return pool->widest > max ? pool->widest : max;
}

bool pool_may_drain(const struct pool *pool)
{
    return pool->n_old + pool->n_draining < max_others(pool);
}

bool pool_is_full(const struct pool *pool)
{
    unsigned max = pool_bounds(pool).max;

    return pool->n_active >= max || pool_size(pool) >= max + max_others(pool);
}

bool pool_is_exhausted(const struct pool *pool)
{
    return pool_is_full(pool) && pool->counts.spare == 0 && !pool->service->leaves_clients &&
           !pool_is_paused(pool);
}

unsigned pool_over(const struct pool *pool)
{
    unsigned max = max_others(pool);

    return pool->service->accepts_itself && pool->n_old > max ? pool->n_old - max : 0;
}

unsigned pools_count_workers(const struct pools *pools)
{
    unsigned n = 0;

    for (const struct pool *pool = pools->first; pool; pool = pool->next)
        n += pool_size(pool);
    return n;
}

unsigned pools_count_free(const struct pools *pools)
{
    unsigned n = 0;

    for (unsigned i = 0; i < SCOREBOARD_POOLS; i++)
        n += pools->all[i].listener == NULL;
    return n;
}
