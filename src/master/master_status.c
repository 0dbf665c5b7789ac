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
#include "master/master_nodes.h"
#include "transport/tls_expiry.h"

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

// Of all pools together.
struct sums {
    unsigned n_workers, n_idle, n_busy, n_draining, n_resting, n_full;
    uint64_t n_queued;
    unsigned n_paused; // services
    const char *paused;
};

static void add_pool(struct sums *sums, const struct pool *pool)
{
    sums->n_workers += pool_size(pool);
    sums->n_draining += pool->n_draining;
    sums->n_busy += pool->counts.busy;
    sums->n_idle += pool->counts.idle;
    sums->n_resting += pool->rest.n;
    sums->n_queued += listener_queued(pool->listener);
    sums->n_full += pool_is_exhausted(pool);
    if (!pool_is_paused(pool))
        return;
    sums->n_paused += !sums->paused || strcmp(sums->paused, pool->service->name) != 0;
    sums->paused = pool->service->name;
}

// What is not as it is on most days.
static void append_news(char *text, size_t size, const struct master *master,
                        const struct sums *sums)
{
    size_t n_unserved = master->set.n_unserved, n_left_out = master->config->n_left_out;
    char certificates[256];

    if (sums->n_resting > 0)
        append(text, size, ", %u resting", sums->n_resting);
    if (sums->n_queued > 0)
        append(text, size, "; %" PRIu64 " queued", sums->n_queued);
    if (sums->n_full > 0)
        append(text, size, "; %u pool%s at maximum", sums->n_full, PLURAL(sums->n_full));
    if (sums->n_paused == 1)
        append(text, size, "; %s paused", sums->paused);
    else if (sums->n_paused > 1)
        append(text, size, "; %u services paused", sums->n_paused);
    if (n_unserved > 0)
        append(text, size, "; %zu address%s not served", n_unserved, n_unserved == 1 ? "" : "es");
    if (n_left_out > 0)
        append(text, size, "; %zu service%s left out", n_left_out, PLURAL(n_left_out));
    tls_expiry_describe(master->config, certificates, sizeof(certificates));
    if (certificates[0] != '\0')
        append(text, size, "; %s", certificates);
}

// Short: what there is of each pool, tcpdctl(1) tells.
const char *master_status(struct master *master)
{
    char text[sizeof(master->status)];
    size_t n_services = master->set.n_services;
    struct sums sums = {0};

    for (const struct pool *pool = master->pools.first; pool; pool = pool->next)
        add_pool(&sums, pool);
    (void)snprintf(text, sizeof(text),
                   "%s%zu service%s, %u worker%s: %u idle, %u busy, %u draining",
                   phase_names[master->phase], n_services, PLURAL(n_services), sums.n_workers,
                   PLURAL(sums.n_workers), sums.n_idle, sums.n_busy, sums.n_draining);
    append_news(text, sizeof(text), master, &sums);
    if (master->phase == MASTER_STOPPING && sums.n_busy > 0)
        append(text, sizeof(text), "; %u session%s left, the oldest %" PRIu64 " s old", sums.n_busy,
               PLURAL(sums.n_busy), oldest_session(master, base_now_usec()) / USEC_PER_SEC);
    nodes_append_status(master, text, sizeof(text));
    if (master->serve_usec > 0)
        append(text, sizeof(text), "; serving on for drain_delay");
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
        struct sizing_limits limits = pool_limits_shown(pool);
        uint64_t wait = throttle_wait(&pool->deaths, now);
        char throttled[48] = "";

        (void)pool_scan(&master->pools, pool);
        if (wait > 0)
            (void)snprintf(throttled, sizeof(throttled), "; throttled for %" PRIu64 " ms",
                           wait / USEC_PER_MSEC);
        log_info("%s: %u worker%s: %u idle, %u busy, %u draining; min %u, spare %u, max %u; "
                 "%u of %u queued; %" PRIu64 " session%s by workers that have exited%s%s",
                 pool->name, pool_size(pool), PLURAL(pool_size(pool)), pool->counts.spare,
                 pool->counts.busy, pool->n_draining, limits.min, limits.spare, limits.max,
                 listener_queued(pool->listener), pool->listener->effective_backlog,
                 pool->sessions_before, PLURAL(pool->sessions_before), throttled,
                 pool_is_paused(pool) ? "; paused" : "");
    }
}
