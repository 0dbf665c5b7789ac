// SPDX-License-Identifier: MIT
// Stopping: every pool drains, and what is not done in time is killed. With drain_delay all of them
// serve on before, while agents tell load balancers. Asked for again, or with INT or QUIT, at once.

#include "master/master_stop.h"

#include <limits.h>

#include "base/base.h"
#include "config/handler.h"
#include "log/log.h"
#include "log/notify.h"
#include "master/master_events.h"
#include "master/master_status.h"

#define HURRY_USEC  (100 * USEC_PER_MSEC)
#define EXTEND_USEC (5 * USEC_PER_SEC)

void master_extend_stop(const struct master *master)
{
    if (master->phase == MASTER_STOPPING && !master->is_killing)
        notify_extend(EXTEND_USEC);
}

// It takes no new connection: its queue is emptied, and its workers finish what they have.
static void close_pool(const struct master *master, struct pool *pool)
{
    uint64_t ms = master->config->stop_idle_usec / USEC_PER_MSEC;

    pool->closing = true;
    pool->stop_idle_ms = ms < INT_MAX ? (int)ms : INT_MAX;
}

// Agents stay until nobody else is there: whoever asks is to hear that this node is on its way out.
// Whether there was one.
static bool close_pools(struct master *master, bool with_agents)
{
    bool was_open = false;

    for (struct pool *pool = master->pools.first; pool; pool = pool->next)
        if (!pool->closing && (with_agents || !pool->service->handler->is_agent)) {
            close_pool(master, pool);
            was_open = true;
        }
    return was_open;
}

static bool has_only_agents(const struct master *master)
{
    for (const struct pool *pool = master->pools.first; pool; pool = pool->next)
        if (!pool->service->handler->is_agent)
            return false;
    return true;
}

static void begin_draining(struct master *master, uint64_t now)
{
    uint64_t limit = master->config->stop_timeout_usec;

    master->serve_usec = 0;
    master->phase_usec = now;
    master->stop_usec = limit > 0 ? now + limit : USEC_NEVER;
    (void)close_pools(master, has_only_agents(master));
}

// Idle workers leave by themselves; those with sessions are killed a moment later.
static void hurry(struct master *master, uint64_t now)
{
    if (master->at_once)
        return; // asked for again: the moment does not begin anew
    (void)close_pools(master, true);
    master->at_once = true;
    master->stop_usec = now + HURRY_USEC;
    for (struct pool *pool = master->pools.first; pool; pool = pool->next) {
        pool->drained = true;
        pool_drain_all(pool, now);
    }
}

static void begin(struct master *master, uint64_t delay_usec, int exit_status, const char *how)
{
    uint64_t now = base_now_usec();

    master->phase = MASTER_STOPPING;
    master->phase_usec = now;
    master->exit_status = exit_status;
    master->stop_usec = USEC_NEVER;
    if (delay_usec > 0)
        master->serve_usec = now + delay_usec;
    else
        begin_draining(master, now);
    log_info("stopping%s", how);
    master_tell(master, MASTER_EVENT_STOPPING, NULL, 0, "stopping%s", how);
    rehearsal_close(&master->rehearsal);
    rehearsal_close(&master->check);
    master_say_stopping(master);
    notify_stopping(master_status(master));
    master_extend_stop(master);
}

void master_stop(struct master *master, bool at_once, int exit_status)
{
    uint64_t now = base_now_usec(), delay_usec = master->config->drain_delay_usec;

    if (at_once || master->phase == MASTER_STARTING) // whom no agent has called up yet
        delay_usec = 0;

    if (master->phase != MASTER_STOPPING) {
        begin(master, delay_usec, exit_status,
              at_once          ? " at once"
              : delay_usec > 0 ? ": serving on for drain_delay, until load balancers know of it"
                               : ": draining");
    } else if (master->serve_usec > 0) {
        log_info("stopping%s: a second stop was requested",
                 at_once ? " at once" : ": draining now");
        begin_draining(master, now);
    } else if (!at_once) {
        log_info("stopping at once: a second stop was requested");
        at_once = true;
    }
    if (at_once)
        hurry(master, now);
    master_look_again(master);
}

void master_stop_idle(struct master *master)
{
    begin(master, 0, EX_OK, ": draining");
    master_look_again(master);
}

uint64_t master_stop_due(const struct master *master)
{
    if (master->phase != MASTER_STOPPING)
        return USEC_NEVER;
    return master->serve_usec > 0 ? master->serve_usec : master->stop_usec;
}

static void kill_late(struct master *master, uint64_t now)
{
    unsigned n = 0;

    master_extend_stop(master); // for the last time
    master->is_killing = true;
    (void)close_pools(master, true);
    for (struct pool *pool = master->pools.first; pool; pool = pool->next) {
        n += pool_size(pool);
        pool->drained = true;
        pool_drain_all(pool, now);
        pool_kill_all(pool);
    }
    if (!master->at_once && n > 0)
        log_record(LOG_WARNING, EVENT_WORKER_KILLED, NULL, 0,
                   "stop_timeout is over: %u worker%s still at work, killed", n, PLURAL(n));
    master->at_once = true;
    master->stop_usec = now + USEC_PER_SEC; // and once more, should one have been missed
}

bool master_stop_advance(struct master *master, uint64_t now_usec)
{
    bool more;

    if (master->phase != MASTER_STOPPING)
        return false;
    if (master->serve_usec > 0 && now_usec >= master->serve_usec) {
        log_info("drain_delay is over: draining");
        begin_draining(master, now_usec);
    }
    if (master->serve_usec > 0)
        return false;
    more = has_only_agents(master) && close_pools(master, true);
    if (now_usec >= master->stop_usec)
        kill_late(master, now_usec);
    return more;
}
