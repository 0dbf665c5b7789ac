// SPDX-License-Identifier: MIT
// How many workers there are to be: by the configuration, and by what administrators change while
// it is in force.

#include "pool/pool.h"

struct sizing_limits pool_bounds(const struct pool *pool)
{
    const struct service *service = pool->service;

    if (pool->orders.is_resized)
        return pool->orders.limits;
    return (struct sizing_limits){
        .min = service->min_workers, .spare = service->spare_workers, .max = service->max_workers};
}

struct sizing_limits pool_limits_shown(const struct pool *pool)
{
    struct sizing_limits limits = pool_bounds(pool);
    int64_t min = (int64_t)limits.min + pool->adjustment - (int64_t)pool->rest.n;

    if (min < (int64_t)pool->floor)
        min = pool->floor;
    if (min > (int64_t)limits.max)
        min = limits.max;
    limits.min = min < 0 ? 0 : (unsigned)min;
    if (pool->adjustment < 0 && limits.spare > limits.min)
        limits.spare = limits.min; // or the spare ones would bring back what TTOU took
    return limits;
}

// One that was paused and whose listener is closed has workers for its queue alone; copies of a
// program that takes its clients by itself do not come by the queue. A queue of systemd's stays.
struct sizing_limits pool_limits(const struct pool *pool)
{
    struct sizing_limits limits = pool_limits_shown(pool);

    bool is_closed = pool->closing && pool->listener->origin == LISTENER_BOUND;

    if (pool->orders.paused_usec == 0 || (is_closed && pool->service->accepts_itself))
        return limits;
    return (struct sizing_limits){.max = is_closed ? limits.max : 0};
}

void pool_pause(struct pool *pool, uint64_t now_usec)
{
    if (pool->orders.paused_usec == 0)
        pool->orders.paused_usec = now_usec;
    pool->rest.n = 0;
    pool->floor = 0;
    pool_drain_all(pool, now_usec);
}

void pool_resume(struct pool *pool)
{
    pool->orders.paused_usec = 0;
    sizing_grant(&pool->bucket, pool_limits(pool).min);
}

void pool_resize(struct pool *pool, const struct sizing_limits *limits)
{
    if (pool_size(pool) > 0 && pool->widest < pool_bounds(pool).max)
        pool->widest =
            pool_bounds(pool).max; // as at a reload: workers that drain have their places
    pool->orders.is_resized = limits != NULL;
    if (limits)
        pool->orders.limits = *limits;
    pool->adjustment = 0;
    sizing_grant(&pool->bucket, pool_limits(pool).min);
}
