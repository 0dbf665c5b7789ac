// SPDX-License-Identifier: MIT
// exit_idle_time: exiting when nobody was served for that long. Only with sockets from systemd,
// which starts the next tcpd at the next connection. What workers tell of their last session is
// believed: it costs a start at most.

#include "master/master_idle.h"

#include <inttypes.h>

#include "base/base.h"
#include "log/log.h"
#include "master/master_stop.h"

static bool is_enabled(const struct master *master)
{
    // The service manager forgets what was drained when nobody runs any more, and so do we what is
    // paused.
    if (master->config->exit_idle_usec == 0 || master->phase != MASTER_RUNNING ||
        master->nodes.orders.n > 0)
        return false;
    for (const struct pool *pool = master->pools.first; pool; pool = pool->next)
        if (pool->listener->origin != LISTENER_ACTIVATED || pool_is_paused(pool))
            return false;
    return true;
}

// When somebody was last served; now, if somebody is.
static uint64_t last_activity(const struct master *master, uint64_t now)
{
    uint64_t last = master->phase_usec;

    if (master->n_visitors > 0)
        return now;
    for (const struct pool *pool = master->pools.first; pool; pool = pool->next) {
        if (listener_queued(pool->listener) > 0)
            return now;
        for (const struct worker *worker = pool->workers; worker; worker = worker->next) {
            struct score score = scoreboard_read(&master->pools.board, worker->slot);

            if (score.state == WORKER_BUSY)
                return now;
            if (score.sessions > 0 && score.since_usec > last && score.since_usec <= now)
                last = score.since_usec;
        }
        if (pool->departed_usec > last)
            last = pool->departed_usec;
    }
    return last;
}

uint64_t master_idle_due(const struct master *master, uint64_t now_usec)
{
    return is_enabled(master) ? last_activity(master, now_usec) + master->config->exit_idle_usec
                              : USEC_NEVER;
}

void master_exit_if_idle(struct master *master, uint64_t now_usec)
{
    if (!is_enabled(master) || now_usec < master_idle_due(master, now_usec))
        return;
    log_info("idle for exit_idle_time = %" PRIu64
             " ms: exiting; the next connection starts tcpd again",
             master->config->exit_idle_usec / USEC_PER_MSEC);
    master_stop_idle(master);
}

void master_warn_of_idle(const struct master *master)
{
    if (master->config->exit_idle_usec == 0)
        return;
    for (const struct pool *pool = master->pools.first; pool; pool = pool->next)
        if (pool->listener->origin != LISTENER_ACTIVATED && !pool->closing) {
            log_warning("exit_idle_time is not used: tcpd has opened %s by itself, and nobody "
                        "would listen there",
                        pool->listener->address);
            return;
        }
}
