// SPDX-License-Identifier: MIT
// What administrators change while the configuration stays. Nothing of it outlives a restart: the
// unit's start is the way to have everything as it is configured.

#include "master/master_steer.h"

#include <string.h>

#include "base/base.h"
#include "config/handler.h"
#include "log/log.h"
#include "master/master_status.h"

struct pool *steer_next(const struct master *master, const char *service, const struct pool *after)
{
    struct pool *pool = after ? after->next : master->pools.first;

    for (; pool; pool = pool->next)
        if (!pool->closing && (service[0] != '\0' ? strcmp(pool->service->name, service) == 0
                                                  : !pool->service->handler->is_agent))
            return pool;
    return NULL;
}

// What was ordered is in STATUS= at once, and carried out.
static void follow(struct master *master)
{
    if (master->phase != MASTER_STARTING)
        (void)master_status(master);
    master_look_again(master);
}

void steer_pause(struct master *master, struct pool *pool, const struct steerer *who)
{
    struct log_field fields[POOL_FIELDS];
    bool was_paused = pool_is_paused(pool);

    pool_pause(pool, base_now_usec());
    pool_fields(pool, fields);
    if (!was_paused)
        log_record(LOG_NOTICE, EVENT_NONE, fields, POOL_FIELDS,
                   "%s: paused by process %d of user %u: who comes waits in the queue, %u "
                   "session%s go%s on",
                   pool->name, (int)who->pid, who->uid, pool->counts.busy,
                   PLURAL(pool->counts.busy), pool->counts.busy == 1 ? "es" : "");
    follow(master);
}

bool steer_resume(struct master *master, struct pool *pool, const struct steerer *who)
{
    struct log_field fields[POOL_FIELDS];
    unsigned n = listener_waiting(pool->listener);

    if (!pool_is_paused(pool))
        return false;
    pool_resume(pool);
    pool_fields(pool, fields);
    log_record(LOG_NOTICE, EVENT_NONE, fields, POOL_FIELDS,
               "%s: resumed by process %d of user %u; %u in the queue", pool->name, (int)who->pid,
               who->uid, n);
    follow(master);
    return true;
}

void steer_resize(struct master *master, struct pool *pool, const struct sizing_limits *limits,
                  const struct steerer *who)
{
    struct log_field fields[POOL_FIELDS];
    struct sizing_limits now;

    pool_resize(pool, limits);
    now = pool_bounds(pool);
    pool_fields(pool, fields);
    log_record(LOG_NOTICE, EVENT_NONE, fields, POOL_FIELDS,
               "%s: resized by process %d of user %u: min %u, spare %u, max %u, %s", pool->name,
               (int)who->pid, who->uid, now.min, now.spare, now.max,
               limits ? "until the next reload" : "as configured");
    follow(master);
}

void steer_drain(struct master *master, struct worker *worker, const struct steerer *who)
{
    const struct pool *pool = worker->pool;
    struct log_field fields[POOL_FIELDS];

    pool_fields(pool, fields);
    if (!worker->draining)
        log_record(LOG_NOTICE, EVENT_NONE, fields, POOL_FIELDS,
                   "%s: worker %d is drained by process %d of user %u", pool->name,
                   (int)worker->pid, (int)who->pid, who->uid);
    pool_drain(worker, base_now_usec());
    follow(master);
}

void steer_keep(struct pool *pool, bool is_back)
{
    struct log_field fields[POOL_FIELDS];

    pool_fields(pool, fields);
    if (is_back)
        pool->orders.paused_usec = 0;
    if (pool->orders.is_resized)
        log_record(LOG_NOTICE, EVENT_NONE, fields, POOL_FIELDS,
                   "%s: its limits are those of the configuration again", pool->name);
}

void steer_join(const struct master *master, struct pool *pool)
{
    for (const struct pool *other = master->pools.first; other; other = other->next)
        if (other != pool && !other->was_closing && other->orders.paused_usec != 0 &&
            strcmp(other->service->name, pool->service->name) == 0)
            pool->orders.paused_usec = other->orders.paused_usec;
}
