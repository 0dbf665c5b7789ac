// SPDX-License-Identifier: MIT
// Which workers are told to exit: those that are too many, old, or of a configuration before. And
// which are told to go on.

#include <signal.h>

#include "base/base.h"
#include "pool/pool.h"

#define STOPPED_USEC (10 * USEC_PER_SEC)

void pool_drain_some(const struct pools *pools, struct pool *pool, unsigned n, uint64_t now_usec)
{
    for (int pass = 0; pass < 2; pass++)
        for (struct worker *worker = pool->workers; worker && n > 0; worker = worker->next) {
            bool busy = scoreboard_state(&pools->board, worker->slot) == WORKER_BUSY;

            if (worker->draining || worker->generation != pool->generation || (pass == 0 && busy))
                continue;
            pool_drain(worker, now_usec);
            n--;
        }
}

// How many old ones without a session are kept: one for each new one that is not ready yet. Where
// there is no room for new ones, because of old sessions that last, the old ones give way one by
// one, and those that serve come to no new client: whoever is next waits in the queue either way.
// A program that accepts by itself may serve many and is kept (but see pool_over()).
static unsigned to_keep(const struct pool *pool)
{
    const struct pool_counts *counts = &pool->counts;
    unsigned min = pool_limits(pool).min, n_idle = counts->idle - counts->spare;
    unsigned keep = counts->ready < min ? min - counts->ready : 0;
    bool is_stuck = pool_is_full(pool) && counts->ready == pool->n_active && counts->leaving == 0;

    if (!is_stuck || pool->service->accepts_itself)
        return keep;
    n_idle = n_idle > 1 ? n_idle - 1 : 0;
    return keep < n_idle ? keep : n_idle;
}

void pool_drain_old(struct pool *pool, uint64_t now_usec)
{
    unsigned keep = to_keep(pool), n_kept = 0, n_over = pool_over(pool);

    for (struct worker *worker = pool->workers; worker; worker = worker->next) { // newest first
        if (worker->draining || worker->generation == pool->generation)
            continue;
        if (n_over > 0)
            n_over--;
        else if (keep > 0 && (worker->seen == WORKER_BUSY || n_kept++ < keep))
            continue;
        pool_drain(worker, now_usec);
    }
}

void pool_drain_all(struct pool *pool, uint64_t now_usec)
{
    for (struct worker *worker = pool->workers; worker; worker = worker->next)
        if (!worker->draining || pool->stop_idle_ms > 0) {
            worker->told_twice = false;
            pool_drain(worker, now_usec);
        }
}

void pool_hurry(struct pool *pool, uint64_t now_usec)
{
    for (struct worker *worker = pool->workers; worker && pool->stop_idle_ms > 0;
         worker = worker->next)
        if (!worker->accepts_itself && now_usec - worker->hurried_usec >= USEC_PER_SEC) {
            worker->hurried_usec = now_usec;
            (void)slots_terminate(worker, -pool->stop_idle_ms);
        }
}

// One with a session sees to it by itself, so that it is no draining one for that long; but not a
// program in a worker's place, of which nobody knows its sessions.
static bool is_due(const struct pools *pools, const struct worker *worker, uint64_t now_usec)
{
    const struct pool *pool = worker->pool;

    if (now_usec < worker->retire_usec || worker->generation != pool->generation)
        return false; // an old one leaves when a new one is ready, and not before
    return pool_may_drain(pool) &&
           (worker->accepts_itself || scoreboard_state(&pools->board, worker->slot) != WORKER_BUSY);
}

void pool_tend(const struct pools *pools, struct pool *pool, uint64_t now_usec)
{
    for (struct worker *worker = pool->workers; worker; worker = worker->next) {
        if (!worker->draining ? is_due(pools, worker, now_usec) : !worker->told) {
            pool_drain(worker, now_usec);
        } else if (worker->draining && !worker->told_twice && !worker->accepts_itself &&
                   now_usec - worker->drained_usec >= USEC_PER_SEC) {
            worker->told_twice = true; // not more often: each signal lengthens a session's wait
            pool_drain(worker, now_usec);
        }
    }
}

unsigned pool_continue(struct pool *pool, uint64_t now_usec, pid_t *ret_pid)
{
    unsigned n = 0;
    bool has_stopped = false;

    if (!pool->has_stopped)
        return 0;
    for (struct worker *worker = pool->workers; worker; worker = worker->next) {
        if (worker->stopped_usec == 0)
            continue;
        has_stopped = true;
        if (now_usec - worker->stopped_usec < STOPPED_USEC)
            continue;
        worker->stopped_usec = now_usec; // until it is known to go on
        *ret_pid = worker->pid;
        n += slots_signal(worker, SIGCONT) == 0;
    }
    pool->has_stopped = has_stopped;
    return n;
}

void pool_kill_all(struct pool *pool)
{
    for (struct worker *worker = pool->workers; worker; worker = worker->next)
        (void)slots_signal(worker, SIGKILL); // gone already: its death is on the way
}
