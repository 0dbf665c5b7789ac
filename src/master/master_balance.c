// SPDX-License-Identifier: MIT
// Looking at all pools: start what is missing, in batches so that signals are answered meanwhile;
// empty and close what goes; tell when all is ready. Never sleeps: what must wait is due later.

#include "master/master_balance.h"

#include <errno.h>
#include <string.h>
#include <sysexits.h>

#include "base/base.h"
#include "config/system_limits.h"
#include "log/log.h"
#include "log/notify.h"
#include "master/master_events.h"
#include "master/master_idle.h"
#include "master/master_listeners.h"
#include "master/master_nodes.h"
#include "master/master_resting.h"
#include "master/master_status.h"
#include "master/master_stop.h"
#include "master/reload.h"

#define QUIET_USEC (200 * USEC_PER_MSEC) // a closing listener's queue was empty for that long
#define LOOK_USEC \
    (20 * USEC_PER_MSEC) // how often a closing listener's queue, an empty bucket is looked at
#define SAY_FULL_USEC (60 * USEC_PER_SEC)

static uint64_t throttled(const struct pool *pool, uint64_t now)
{
    const struct throttle *throttles[] = {&pool->forks, &pool->rest.doubts};
    uint64_t longest = pool_throttled(pool, now);

    for (size_t i = 0; i < ELEMENTS(throttles); i++)
        if (throttle_wait(throttles[i], now) > longest)
            longest = throttle_wait(throttles[i], now);
    return longest;
}

// A fork that failed is tried again later; before READY=1 it is fatal, as the configuration cannot
// be honoured.
static void fork_failed(struct master *master, struct pool *pool, int error, uint64_t now)
{
    bool first = pool->forks.n_failures == 0;
    char why[256] = "";

    pool->totals.fork_failures++;
    if (first || master->phase == MASTER_STARTING)
        (void)system_limits_explain(pools_count_workers(&master->pools), why, sizeof(why));
    (void)throttle_fail(&pool->forks, &throttle_forks, now);
    if (master->phase == MASTER_STARTING) {
        log_error("%s: cannot start as many workers as min_workers = %u: %s; %s", pool->name,
                  pool->service->min_workers, strerror(error), why);
        notify_failure(error, "cannot start workers");
        master_stop(master, true, EX_OSERR);
    } else if (first) {
        log_error("%s: cannot start a worker: %s; %s; will keep trying", pool->name,
                  strerror(error), why);
    }
}

// Starts what is missing, until the turn is over. True when there is more to start at once.
static bool grow(struct master *master, struct pool *pool, uint64_t now)
{
    struct sizing_limits limits = pool_limits(pool);
    struct sizing_counts counts;
    unsigned missing;
    bool over = false;

    if (throttled(pool, now) > 0)
        return false;
    if (pool->service->accepts_itself && listener_is_shut(pool->listener))
        return false; // they would only die; it is mended first
    counts = pool_sizing(pool);
    missing = sizing_missing(&limits, &counts);
    if (missing > 1 && throttle_wait(&pool->deaths, now) > 0)
        missing = 1; // a try
    pool->starved = false;
    while (missing > 0 && !over) { // each pool starts one at least
        int r;

        if (pool_is_full(pool))
            return false;
        pool->starved = sizing_take(&pool->bucket, &pool->service->spawn, 1, now) == 0;
        if (pool->starved)
            return false;
        r = pool_spawn(&master->pools, pool, now);
        if (r < 0) {
            fork_failed(master, pool, -r, now);
            return false;
        }
        pool->forks = (struct throttle){0};
        missing--;
        over = base_now_usec() - now >= MASTER_TURN_USEC;
    }
    return missing > 0;
}

static void say_full(struct pool *pool, uint64_t now)
{
    struct log_field fields[POOL_FIELDS];
    char queue[48] = "somebody waits"; // of a unix socket the kernel does not say how many
    unsigned queued;

    if (!pool_is_exhausted(pool))
        return;
    queued = listener_queued(pool->listener);
    if (queued == 0 || listener_is_shut(pool->listener))
        return;
    if (pool->full_said_usec != 0 && now - pool->full_said_usec < SAY_FULL_USEC)
        return;
    pool->full_said_usec = now;
    if (queued > 1)
        (void)snprintf(queue, sizeof(queue), "%u clients wait", queued);
    pool_fields(pool, fields);
    log_record(LOG_WARNING, EVENT_POOL_FULL, fields, POOL_FIELDS,
               "%s: the pool is at its maximum, max_workers = %u, and has %u draining worker%s; %s",
               pool->name, pool_bounds(pool).max, pool->n_draining, PLURAL(pool->n_draining),
               queue);
}

static void say_dropped(struct pool *pool, uint64_t now)
{
    struct log_field fields[POOL_FIELDS];
    unsigned n = listener_dropped(pool->listener) - pool->dropped_said;

    if (n == 0 || (pool->dropped_said_usec != 0 && now - pool->dropped_said_usec < SAY_FULL_USEC))
        return;
    pool->dropped_said_usec = now;
    pool->dropped_said += n;
    pool_fields(pool, fields);
    log_record(LOG_WARNING, EVENT_DATAGRAMS_DROPPED, fields, POOL_FIELDS,
               "%s: the kernel has dropped %u datagram%s for lack of room", pool->name, n,
               PLURAL(n));
}

// Workers that its minimum asks for have come to accept().
static bool is_ready(const struct pool *pool)
{
    return pool->counts.ready >= pool_limits(pool).min;
}

// Whom a program that takes its clients by itself leaves in the queue, nobody can serve; it is to
// have some time between TERM and the end of stop_timeout all the same.
static bool has_waited_enough(const struct master *master, const struct pool *pool, uint64_t now)
{
    uint64_t limit = master->config->stop_timeout_usec;

    return master->phase == MASTER_STOPPING && pool->service->leaves_clients && limit > 0 &&
           now - master->phase_usec >= limit / 2;
}

// Takes a listener out of service without losing what its queue holds (B8): no new connection, the
// workers empty the queue, then they leave, then it is closed.
static void close_step(struct master *master, struct pool *pool, uint64_t now)
{
    struct listener *listener = pool->listener;
    bool empty, quiet;

    master_forget_resting(pool);
    if (master->phase != MASTER_STOPPING)
        listener_unstore(listener);
    if (pool->quiet_usec == 0)
        pool->quiet = listener_quiesce(listener, master->phase == MASTER_STOPPING);
    empty = pool->quiet == LISTENER_OPEN || has_waited_enough(master, pool, now) ||
            listener_queued(listener) == 0;
    if (pool->quiet_usec == 0 || !empty)
        pool->quiet_usec = now;
    quiet = pool->quiet == LISTENER_QUIET ? now - pool->quiet_usec >= QUIET_USEC : empty;
    if (!pool->drained && !empty)
        pool_hurry(pool, now);
    if (!pool->drained && quiet) {
        pool->drained = true;
        pool_drain_all(pool, now);
    }
    if (pool->drained && empty && pool->counts.leaving == 0)
        listener_release(listener); // sessions may last; the address is free
    if (pool->drained && pool->workers == NULL && (empty || master->at_once)) {
        pool_free(&master->pools, pool);
        return;
    }
    if (pool->drained && pool->workers == NULL && throttled(pool, now) == 0) {
        pool->drained = false; // a handshake was completed late: serve it
        (void)pool_spawn(&master->pools, pool, now);
    }
}

// Whose wait for it might have no end.
static bool is_given_up(const struct pool *pool)
{
    return !is_ready(pool) && throttle_is_on(&pool->deaths, &throttle_deaths);
}

static void say_given_up(const struct pool *pool)
{
    struct log_field fields[POOL_FIELDS];

    pool_fields(pool, fields);
    log_record(
        LOG_WARNING, EVENT_THROTTLED, fields, POOL_FIELDS,
        "%s: its workers die at once, %u of %u are ready; the other services start meanwhile",
        pool->name, pool->counts.ready, pool_limits(pool).min);
}

static void announce_ready(struct master *master)
{
    bool any = master->pools.first == NULL;

    for (const struct pool *pool = master->pools.first; pool; pool = pool->next) {
        if (!is_ready(pool) && !is_given_up(pool))
            return;
        any = any || is_ready(pool);
    }
    if (!any)
        return; // systemd ends a start that takes too long
    for (const struct pool *pool = master->pools.first; pool; pool = pool->next)
        if (is_given_up(pool))
            say_given_up(pool);
    master->phase = MASTER_RUNNING;
    master->phase_usec = base_now_usec();
    nodes_publish(master, master->phase_usec); // before anybody knows, and asks an agent
    notify_ready(master_status(master));
    log_record(LOG_INFO, EVENT_READY, NULL, 0, "ready: %s", master->status);
    master_tell(master, MASTER_EVENT_READY, NULL, 0, "%s", master->status);
    master_warn_of_idle(master);
}

bool master_balance(struct master *master, uint64_t now_usec)
{
    bool more = false;

    if (reload_decide(master, now_usec))
        return true; // now_usec is before what begins with it
    if (master->reload_again && master->phase == MASTER_RUNNING) {
        reload_start(master);
        return true; // and before its start
    }
    (void)master_stop_advance(master, now_usec);
    for (struct pool *pool = master->pools.first, *next; pool; pool = next) {
        next = pool->next;
        pool_arm(&master->pools, pool); // before looking, or a hint in between would be lost
        (void)pool_scan(&master->pools, pool);
        master_mend_owed(master, pool, now_usec);
        master_call_resting(pool);
        if (!pool->drained && grow(master, pool, now_usec))
            more = true;
        if (pool->closing)
            close_step(master, pool, now_usec);
        else
            say_full(pool, now_usec);
        if (!pool->closing)
            say_dropped(pool, now_usec);
    }
    if (master->phase == MASTER_STARTING)
        announce_ready(master);
    if (master->phase != MASTER_STARTING && master->phase != MASTER_STOPPING)
        reload_advance(master, now_usec);
    nodes_publish(master, now_usec);
    more = master_stop_advance(master, now_usec) || more; // the last one but agents may have gone
    return more || (master->reload_again && master->phase == MASTER_RUNNING);
}

uint64_t master_balance_due(const struct master *master, uint64_t now_usec)
{
    uint64_t due = USEC_NEVER;

    for (const struct pool *pool = master->pools.first; pool; pool = pool->next) {
        uint64_t wait = throttled(pool, now_usec);

        if (wait > 0 && now_usec + wait < due)
            due = now_usec + wait;
        if ((pool->starved || (pool->closing && !pool->drained)) && now_usec + LOOK_USEC < due)
            due = now_usec + LOOK_USEC;
        if (pool->stale && pool->scan_due_usec < due)
            due = pool->scan_due_usec;
        if (pool->mends.owed && pool->mends.due_usec < due)
            due = pool->mends.due_usec;
        if (pool->trial_usec < due)
            due = pool->trial_usec > pool->scan_due_usec ? pool->trial_usec : pool->scan_due_usec;
    }
    return due;
}
