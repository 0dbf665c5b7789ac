// SPDX-License-Identifier: MIT
// What the master says of its pools: STATUS= for `systemctl status`, and a line a pool for USR1.

#include "master/master_status.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "log/log.h"
#include "log/notify.h"

static const char *const phase_names[] = {
    [MASTER_STARTING] = "starting: ",  [MASTER_RUNNING] = "",
    [MASTER_CHECKING] = "reloading: ", [MASTER_RELOADING] = "reloading: ",
    [MASTER_STOPPING] = "stopping: ",
};

__attribute__((format(printf, 3, 4))) static void append(char *text, size_t size,
                                                         const char *format, ...)
{
    size_t used = strlen(text);
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text + used, size - used, format, arguments);
    va_end(arguments);
}

static void append_pool(char *text, size_t size, const struct pool *pool, unsigned queued,
                        bool first)
{
    append(text, size, "%s%s %u/%u", first ? "; " : ", ", pool->name, pool->counts.busy,
           pool_size(pool));
    if (pool_is_full(pool) && pool->counts.spare == 0 && !pool->service->leaves_clients)
        append(text, size, " at maximum");
    if (pool->rest.n > 0)
        append(text, size, " %u resting", pool->rest.n);
    if (queued > 0)
        append(text, size, " %u queued", queued);
}

// How long the oldest session lasts already.
static uint64_t oldest_session(const struct master *master, uint64_t now)
{
    uint64_t oldest = now;

    for (const struct pool *pool = master->pools.first; pool; pool = pool->next)
        for (const struct worker *worker = pool->workers; worker; worker = worker->next) {
            struct score score = scoreboard_read(&master->pools.board, worker->slot);

            if (score.state == WORKER_BUSY && !worker->accepts_itself && score.since_usec < oldest)
                oldest = score.since_usec;
        }
    return now - oldest;
}

const char *master_status(struct master *master)
{
    char pools[sizeof(master->status) - 480] = "", text[sizeof(master->status)];
    unsigned n_workers = 0, n_idle = 0, n_busy = 0, n_draining = 0;

    for (const struct pool *pool = master->pools.first; pool; pool = pool->next) {
        n_workers += pool_size(pool);
        n_draining += pool->n_draining;
        n_busy += pool->counts.busy;
        n_idle += pool->counts.idle;
        append_pool(pools, sizeof(pools), pool, listener_queued(pool->listener),
                    pool == master->pools.first);
    }
    (void)snprintf(text, sizeof(text), "%s%u worker%s: %u idle, %u busy, %u draining%s",
                   phase_names[master->phase], n_workers, PLURAL(n_workers), n_idle, n_busy,
                   n_draining, pools);
    if (master->phase == MASTER_STOPPING && n_busy > 0)
        append(text, sizeof(text), "; %u session%s left, the oldest %" PRIu64 " s old", n_busy,
               PLURAL(n_busy), oldest_session(master, base_now_usec()) / USEC_PER_SEC);
    if (master->reload_problem[0] != '\0')
        append(text, sizeof(text), "; the last reload failed: %s", master->reload_problem);
    if (strcmp(text, master->status) != 0) {
        memcpy(master->status, text, sizeof(text));
        notify_status(master->status);
    }
    return master->status;
}

void master_log_status(struct master *master)
{
    uint64_t now = base_now_usec();

    for (struct pool *pool = master->pools.first; pool; pool = pool->next) {
        struct sizing_limits limits = pool_limits(pool);
        uint64_t wait = throttle_wait(&pool->deaths, now);
        char throttled[48] = "";

        (void)pool_scan(&master->pools, pool);
        if (wait > 0)
            (void)snprintf(throttled, sizeof(throttled), "; throttled for %" PRIu64 " ms",
                           wait / USEC_PER_MSEC);
        log_info("%s: %u worker%s: %u idle, %u busy, %u draining; min %u, spare %u, max %u; "
                 "%u of %u queued; %" PRIu64 " session%s by workers that have exited%s",
                 pool->name, pool_size(pool), PLURAL(pool_size(pool)), pool->counts.spare,
                 pool->counts.busy, pool->n_draining, limits.min, limits.spare, limits.max,
                 listener_queued(pool->listener), pool->listener->effective_backlog,
                 pool->sessions_before, PLURAL(pool->sessions_before), throttled);
    }
}
