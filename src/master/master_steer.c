// SPDX-License-Identifier: MIT
// What administrators change while the configuration stays. Nothing of it outlives a restart: the
// unit's start is the way to have everything as it is configured.

#include "master/master_steer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "config/handler.h"
#include "log/log.h"
#include "master/master_events.h"
#include "master/master_status.h"

struct pool *steer_next(const struct master *master, const char *service, const struct pool *after)
{
    struct pool *pool = after ? after->next : master->pools.first;

    for (; pool; pool = pool->next)
        if (!pool->closing && (service[0] != '\0' ? strcmp(pool->service->name, service) == 0
                                                  : !handler_tells(pool->service->handler)))
            return pool;
    return NULL;
}

// It is logged and told.
__attribute__((format(printf, 5, 6))) static void say(const struct master *master,
                                                      enum master_event_kind kind,
                                                      const struct pool *pool, pid_t worker,
                                                      const char *format, ...)
{
    struct log_field fields[POOL_FIELDS];
    char text[256];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    pool_fields(pool, fields);
    log_record(LOG_NOTICE, EVENT_NONE, fields, POOL_FIELDS, "%s: %s", pool->name, text);
    master_tell(master, kind, pool, worker, "%s", text);
}

void steer_carry_out(struct master *master)
{
    if (master->phase != MASTER_STARTING)
        (void)master_status(master);
    master_look_again(master);
}

void steer_pause(struct master *master, struct pool *pool, const struct steerer *who)
{
    bool was_paused = pool_is_paused(pool);

    pool_pause(pool, base_now_usec());
    if (was_paused)
        return;
    say(master, MASTER_EVENT_PAUSED, pool, 0,
        "paused by process %d of user %u: who comes waits in the queue, %u session%s go%s on",
        (int)who->pid, who->uid, pool->counts.busy, PLURAL(pool->counts.busy),
        pool->counts.busy == 1 ? "es" : "");
}

bool steer_resume(struct master *master, struct pool *pool, const struct steerer *who)
{
    if (!pool_is_paused(pool))
        return false;
    pool_resume(pool);
    say(master, MASTER_EVENT_RESUMED, pool, 0, "resumed by process %d of user %u; %u in the queue",
        (int)who->pid, who->uid, listener_waiting(pool->listener));
    return true;
}

void steer_resize(struct master *master, struct pool *pool, const struct sizing_limits *limits,
                  const struct steerer *who)
{
    struct sizing_limits now;

    pool_resize(pool, limits);
    now = pool_bounds(pool);
    say(master, MASTER_EVENT_RESIZED, pool, 0,
        "resized by process %d of user %u: min %u, spare %u, max %u, %s", (int)who->pid, who->uid,
        now.min, now.spare, now.max, limits ? "until the next reload" : "as configured");
}

void steer_drain(struct master *master, struct worker *worker, const struct steerer *who)
{
    bool was_draining = worker->draining;

    pool_drain(worker, base_now_usec());
    if (was_draining)
        return;
    say(master, MASTER_EVENT_DRAINED, worker->pool, worker->pid,
        "worker %d is drained by process %d of user %u", (int)worker->pid, (int)who->pid, who->uid);
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
