// SPDX-License-Identifier: MIT
// States of pools are told by the clock, so that one that changes back and forth is not told of
// more than once a second.

#include "master/master_events.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/base.h"

const char *const master_event_names[MASTER_EVENTS] = {
    [MASTER_EVENT_READY] = "ready",
    [MASTER_EVENT_RELOADED] = "reload",
    [MASTER_EVENT_REFUSED] = "reload_refused",
    [MASTER_EVENT_STOPPING] = "stopping",
    [MASTER_EVENT_DIED] = "worker_died",
    [MASTER_EVENT_THROTTLED] = "throttled",
    [MASTER_EVENT_FULL] = "pool_full",
    [MASTER_EVENT_RELIEVED] = "pool_relieved",
    [MASTER_EVENT_LOST] = "records_lost",
    [MASTER_EVENT_PAUSED] = "paused",
    [MASTER_EVENT_RESUMED] = "resumed",
    [MASTER_EVENT_RESIZED] = "resized",
    [MASTER_EVENT_DRAINED] = "drained",
    [MASTER_EVENT_KICKED] = "kicked",
};

void master_tell(const struct master *master, enum master_event_kind kind, const struct pool *pool,
                 pid_t worker, const char *format, ...)
{
    char text[512];
    const struct master_event event = {.kind = kind, .pool = pool, .worker = worker, .text = text};
    va_list arguments;

    if (!master->watcher.event)
        return;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    master->watcher.event(master->watcher.data, &event);
}

static void tell_full(const struct master *master, struct pool *pool)
{
    bool is_full = pool_is_exhausted(pool) && !pool->closing;

    if (is_full && !pool->told_full)
        master_tell(master, MASTER_EVENT_FULL, pool, 0, "all %u workers are busy",
                    pool_bounds(pool).max);
    if (!is_full && pool->told_full)
        master_tell(master, MASTER_EVENT_RELIEVED, pool, 0, "not all workers are busy any more");
    pool->told_full = is_full;
}

static void tell_throttled(const struct master *master, struct pool *pool, uint64_t now)
{
    uint64_t wait = throttle_wait(&pool->deaths, now);

    if (wait > 0 && !pool->told_throttled)
        master_tell(master, MASTER_EVENT_THROTTLED, pool, 0,
                    "%u workers in a row died early; starts wait for up to %" PRIu64 " ms",
                    pool->deaths.n_failures, wait / USEC_PER_MSEC);
    pool->told_throttled = pool->deaths.n_failures > 0 && (wait > 0 || pool->told_throttled);
}

// Not those that were left out, as it is configured.
static void tell_lost(const struct master *master, struct pool *pool)
{
    const uint64_t *lost = pool->totals.lost;
    uint64_t n = lost[LOG_LOSS_READER] + lost[LOG_LOSS_WORKER];

    if (n > pool->told_lost)
        master_tell(master, MASTER_EVENT_LOST, pool, 0, "%" PRIu64 " session record%s lost",
                    n - pool->told_lost, PLURAL(n - pool->told_lost));
    pool->told_lost = n;
}

void master_tell_pools(const struct master *master, uint64_t now_usec)
{
    for (struct pool *pool = master->pools.first; pool; pool = pool->next) {
        tell_full(master, pool);
        tell_throttled(master, pool, now_usec);
        tell_lost(master, pool);
    }
}
