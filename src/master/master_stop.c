// SPDX-License-Identifier: MIT
// Stopping: every pool drains, and what is not done in time is killed. Asked for again, or with INT
// or QUIT, at once.

#include "master/master_stop.h"

#include <limits.h>

#include "base/base.h"
#include "log/log.h"
#include "log/notify.h"
#include "master/master_status.h"

#define HURRY_USEC  (100 * USEC_PER_MSEC)
#define EXTEND_USEC (5 * USEC_PER_SEC)

void master_extend_stop(const struct master *master)
{
    if (master->phase == MASTER_STOPPING && !master->is_killing)
        notify_extend(EXTEND_USEC);
}

// Idle workers leave by themselves; those with sessions are killed a moment later.
static void hurry(struct master *master, uint64_t now)
{
    if (master->at_once)
        return; // asked for again: the moment does not begin anew
    master->at_once = true;
    master->stop_usec = now + HURRY_USEC;
    for (struct pool *pool = master->pools.first; pool; pool = pool->next) {
        pool->drained = true;
        pool_drain_all(pool, now);
    }
}

static int stop_idle_ms(const struct config *config)
{
    uint64_t ms = config->stop_idle_usec / USEC_PER_MSEC;

    return ms < INT_MAX ? (int)ms : INT_MAX;
}

void master_stop(struct master *master, bool at_once, int exit_status)
{
    uint64_t now = base_now_usec();
    uint64_t limit = master->config->stop_timeout_usec;

    if (master->phase != MASTER_STOPPING) {
        master->phase = MASTER_STOPPING;
        master->phase_usec = now;
        master->exit_status = exit_status;
        master->stop_usec = limit > 0 ? now + limit : USEC_NEVER;
        for (struct pool *pool = master->pools.first; pool; pool = pool->next) {
            pool->closing = true;
            pool->stop_idle_ms = stop_idle_ms(master->config);
        }
        log_info("stopping%s", at_once ? " at once" : ": draining");
        rehearsal_close(&master->rehearsal);
        rehearsal_close(&master->check);
        master_say_stopping(master);
        notify_stopping(master_status(master));
        master_extend_stop(master);
    } else if (!at_once) {
        log_info("stopping at once: a second stop was requested");
        at_once = true;
    }
    if (at_once)
        hurry(master, now);
    master_look_again(master);
}

void master_kill_late(struct master *master, uint64_t now_usec)
{
    unsigned n = 0;

    if (master->phase != MASTER_STOPPING || now_usec < master->stop_usec)
        return;
    master_extend_stop(master); // for the last time
    master->is_killing = true;
    for (struct pool *pool = master->pools.first; pool; pool = pool->next) {
        n += pool_size(pool);
        pool->drained = true;
        pool_drain_all(pool, now_usec);
        pool_kill_all(pool);
    }
    if (!master->at_once && n > 0)
        log_record(LOG_WARNING, EVENT_WORKER_KILLED, NULL, 0,
                   "stop_timeout is over: %u worker%s still at work, killed", n, PLURAL(n));
    master->at_once = true;
    master->stop_usec = now_usec + USEC_PER_SEC; // and once more, should one have been missed
}
