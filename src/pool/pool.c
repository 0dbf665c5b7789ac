// SPDX-License-Identifier: MIT
// Pools. What steers them is in private memory: lists, counts, generations, pids. The scoreboard is
// read for counting only. A failed fork leaves everything as it was.

#include "pool/pool.h"
#include "pool/pool_totals.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/base.h"
#include "base/escape.h"
#include "config/handler.h"
#include "pool/pool_sources.h"
#include "process/oom_score.h"
#include "process/own_memory.h"
#include "process/process.h"
#include "session/session_log.h"
#include "session/session_refused.h"
#include "worker/worker.h"

int pools_open(struct pools *pools)
{
    int r;

    *pools = (struct pools){.wake = -1, .dead_socket = -1, .board.fd = -1};
    sandbox_open(&pools->sandbox);
    pools->slots = slots_new();
    pools->all = own_memory_new(SCOREBOARD_POOLS * sizeof(pools->all[0]));
    if (!pools->slots || !pools->all)
        return -ENOMEM;
    r = scoreboard_open(&pools->board);
    if (r < 0)
        return r;
    pools->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pools->dead_socket = process_open_dead_socket();
    return pools->wake < 0 || pools->dead_socket < 0 ? -errno : 0;
}

void pools_settle_memory(const struct pools *pools)
{
    bool mine = true;

    for (const struct pool *pool = pools->first; pool; pool = pool->next)
        mine = mine && !pool->service->handler->loads_code;
    (void)own_memory_claim_libraries(mine);
}

void pools_close(struct pools *pools)
{
    sandbox_close(&pools->sandbox);
    scoreboard_close(&pools->board);
    pools->slots = slots_free(pools->slots);
    own_memory_free(pools->all, SCOREBOARD_POOLS * sizeof(pools->all[0]));
    pools->all = NULL;
    base_close_fd(&pools->wake);
    base_close_fd(&pools->dead_socket);
}

static void set_name(struct pool *pool)
{
    (void)snprintf(pool->name, sizeof(pool->name), "%s %s", pool->service->name,
                   pool->listener->address);
}

struct pool *pool_new(struct pools *pools, struct listener *listener, struct config *config,
                      const struct service *service, unsigned generation)
{
    struct pool *pool, **end = &pools->first;
    unsigned index = 0;

    while (index < SCOREBOARD_POOLS && pools->all[index].listener)
        index++;
    if (index == SCOREBOARD_POOLS)
        return NULL;
    pool = &pools->all[index];
    *pool = (struct pool){.index = index,
                          .listener = listener,
                          .config = config_ref(config),
                          .service = service,
                          .generation = generation};
    set_name(pool);
    memset(scoreboard_hint(&pools->board, index), 0, sizeof(struct pool_hint));
    sizing_grant(&pool->bucket, service->min_workers);
    while (*end)
        end = &(*end)->next;
    *end = pool;
    return pool;
}

void pool_free(struct pools *pools, struct pool *pool)
{
    struct pool_hint *hint = scoreboard_hint(&pools->board, pool->index);
    struct pool **link = &pools->first;

    assert(!pool->workers);
    session_log_report(&hint->quota, pool->name, pool->config, pool->totals.lost);
    session_log_refusals(&hint->refusals, pool->name, pool->config, 0);
    while (*link != pool)
        link = &(*link)->next;
    *link = pool->next;
    pool_text_close(pool);
    pool_sources_close(pool);
    listener_close(pool->listener);
    (void)config_unref(pool->config);
    pool->listener = NULL; // free again
}

void pool_take_over(struct pool *pool, const struct pool *from)
{
    pool->deaths = from->deaths;
    pool->death_usec = from->death_usec;
    pool->held_usec = from->held_usec;
    pool->sources = from->sources;
    pool->excused = from->excused;
    pool->mends = from->mends;
    pool->orders = from->orders;
    pool->n_deaths_said = from->n_deaths_said;
    pool->n_deaths_unsaid = from->n_deaths_unsaid;
}

void pool_renew(struct pool *pool, struct config *config, const struct service *service,
                unsigned generation)
{
    if (pool_size(pool) > 0 && pool->widest < pool_bounds(pool).max)
        pool->widest = pool_bounds(pool).max;
    (void)config_ref(config);
    (void)config_unref(pool->config);
    pool->config = config;
    pool->service = service;
    pool->generation = generation;
    set_name(pool);
    pool->adjustment = 0;
    pool->unaccepted_usec = 0;
    pool->orders.is_resized = false;
    pool->rest.n = 0;
    pool->floor = pool_is_paused(pool) ? 0 : pool->counts.idle;
    pool->n_old += pool->n_active;
    pool->n_active = pool->counts.ready = pool->counts.spare = 0;
    sizing_grant(&pool->bucket, pool_limits(pool).min);
    throttle_reset(&pool->deaths);
    throttle_reset(&pool->rest.doubts);
}

void pool_fields(const struct pool *pool, struct log_field *ret)
{
    log_field_set(&ret[0], "TCPD_SERVICE", pool->service->name);
    log_field_set(&ret[1], "TCPD_LISTENER", pool->listener->address);
}

void pool_arm(const struct pools *pools, const struct pool *pool)
{
    unsigned spare = pool_limits(pool).spare;

    // With no spare one to be missed, the last idle one that goes is.
    hint_arm(scoreboard_hint(&pools->board, pool->index), spare > 0 ? (int32_t)spare : 1,
             !pool_is_full(pool) && !pool_is_paused(pool));
}

void pool_correct(const struct pools *pools, struct pool *pool)
{
    struct pool_hint *hint = scoreboard_hint(&pools->board, pool->index);

    reserve_correct(&hint->reserve, &pool->drift, (int32_t)pool->counts.waiting,
                    (int32_t)pool->counts.parked);
}

void pool_rouse(const struct pools *pools, const struct pool *pool, unsigned queued)
{
    unsigned n = queued > RESERVE_CALL ? queued : RESERVE_CALL;

    if (pool->counts.parked > 0 && (queued > 0 || pool->counts.waiting < RESERVE_BELOW))
        reserve_wake(&scoreboard_hint(&pools->board, pool->index)->reserve, n);
}

uint64_t pool_throttled(const struct pool *pool, uint64_t now_usec)
{
    uint64_t wait = throttle_wait(&pool->deaths, now_usec);
    uint64_t retry_usec = pool->started_usec + POOL_RETRY_USEC;

    if (wait == 0 || pool->n_active >= pool_limits(pool).min || now_usec + wait < retry_usec)
        return wait;
    return retry_usec > now_usec ? retry_usec - now_usec : 0;
}

// Gives an age limit a random part, so that workers started together do not leave together.
static uint64_t retire_time(const struct service *service, uint64_t now_usec)
{
    uint64_t age = service->max_worker_age_usec;

    if (age == 0)
        return USEC_NEVER;
    return now_usec + age - age / 1000 * arc4random_uniform(125);
}

// The first copy of a program that takes clients by itself finds a socket that blocks, whatever
// others have done to it. Those beside it may have made it non-blocking for a purpose, and would
// wait in accept() for ever; once the last one has gone, it has no purpose.
static void settle_blocking(const struct pool *pool)
{
    if (pool->n_copies == 0)
        (void)listener_make_blocking(pool->listener);
}

static void list_add(struct pool *pool, struct worker *worker)
{
    worker->next = pool->workers;
    worker->previous = NULL;
    if (pool->workers)
        pool->workers->previous = worker;
    pool->workers = worker;
}

static void list_remove(struct pool *pool, struct worker *worker)
{
    if (worker->previous)
        worker->previous->next = worker->next;
    else
        pool->workers = worker->next;
    if (worker->next)
        worker->next->previous = worker->previous;
}

// The ports of all listeners for datagrams, for a worker of one; how many.
static size_t list_ports(const struct pools *pools, const struct pool *pool,
                         uint16_t ports[SCOREBOARD_POOLS])
{
    size_t n = 0;

    if (pool->listener->bound.type != SOCK_DGRAM)
        return 0;
    for (const struct pool *other = pools->first; other; other = other->next)
        if (other->listener->bound.type == SOCK_DGRAM)
            ports[n++] = (uint16_t)address_port(&other->listener->bound.any);
    return n;
}

// The child must not run a handler, or take a signal, meant for the master (B27). _Fork() leaves
// out the handlers of pthread_atfork(3): they serve threads, and dirty 12 KiB in each child. The
// child's number or -errno.
static pid_t fork_worker(const struct worker_setup *setup)
{
    struct oom_score score;
    sigset_t all, before;
    pid_t pid;
    int error;

    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, &before);
    oom_score_raise(&score);
    pid = _Fork();
    if (pid == 0)
        worker_run(setup);
    error = errno;
    oom_score_restore(&score);
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    return pid < 0 ? -error : pid;
}

// One that was just started.
static void take_in(struct pool *pool, struct worker *worker)
{
    worker->pool = pool;
    worker->generation = pool->generation;
    worker->leaves_clients = pool->service->leaves_clients;
    worker->accepts_itself = pool->service->accepts_itself;
    worker->queued = worker->accepts_itself ? listener_queued(pool->listener) : 0;
    worker->loads_code = pool->service->handler->loads_code;
    worker->starts_processes = pool->service->handler->starts_processes;
    list_add(pool, worker);
    pool->n_copies += worker->leaves_clients;
    pool->totals.starts++;
    pool->n_active++;
    pool_count_in(worker);
}

int pool_spawn(struct pools *pools, struct pool *pool, uint64_t now_usec)
{
    char name[POOL_NAME_MAX];                // on the stack, which the child has
    static uint16_t ports[SCOREBOARD_POOLS]; // which each would keep on its stack
    struct worker *worker = slots_reserve(pools->slots);
    struct worker_setup setup = {
        .master_pid = getpid(),
        .listener = pool->listener->fd,
        .speaks = pool->listener->speaks,
        .dead_socket = pools->dead_socket,
        .scoreboard = pools->board.fd,
        .wake = pools->wake,
        .text = pool_text_open(pool),
        .pool = pool->index,
        .name = name,
        .ports = ports,
        .n_ports = list_ports(pools, pool, ports),
        .service = pool->service,
        .config = pool->config,
        .sandbox = &pools->sandbox,
    };
    pid_t pid;
    int r;

    memcpy(name, pool->name, sizeof(name));
    if (!worker)
        return -ENOSPC;
    r = sandbox_prepare(&pools->sandbox, sandbox_kind_of(pool->service));
    if (r >= 0)
        r = pool_sources_open(pools, pool);
    if (r < 0) {
        slots_release(pools->slots, worker);
        return r;
    }
    setup.slot = worker->slot;
    setup.retire_usec = retire_time(pool->service, now_usec);
    if (pool->service->leaves_clients)
        settle_blocking(pool);
    if (source_settings_are_on(&pool->service->sources))
        setup.sources = pool->counted.table;
    pool_sources_lend(pool);
    pid = fork_worker(&setup);
    pool_sources_keep(pool);
    if (pid < 0) {
        slots_release(pools->slots, worker);
        return pid;
    }
    slots_fill(pools->slots, worker, pid);
    worker->started_usec = pool->started_usec = now_usec;
    worker->retire_usec = setup.retire_usec;
    take_in(pool, worker);
    return 0;
}

// The count that the worker is in.
static unsigned *count_of(struct pool *pool, const struct worker *worker)
{
    if (worker->draining)
        return &pool->n_draining;
    return worker->generation == pool->generation ? &pool->n_active : &pool->n_old;
}

void pool_remove(struct pools *pools, struct worker *worker, const struct score *score, bool killed)
{
    struct pool *pool = worker->pool;
    struct pool_hint *hint = scoreboard_hint(&pools->board, pool->index);

    if (killed && score->state == WORKER_IDLE) // it could not take itself out of the counts
        (void)reserve_leave(&hint->reserve);
    if (killed && score->state == WORKER_PARKED)
        reserve_lose(&hint->reserve);
    pool_count_out(worker);
    (*count_of(pool, worker))--;
    if (pool->n_old + pool->n_draining == 0)
        pool->widest = 0;
    pool->sessions_before += score->sessions;
    if (score->sessions > 0 || worker->accepts_itself)
        pool->departed_usec = base_now_usec();
    pool_totals_keep(pools, pool, worker->slot);
    list_remove(pool, worker);
    pool->n_copies -= worker->leaves_clients;
    if (worker->leaves_clients)
        settle_blocking(pool);
    scoreboard_wipe(&pools->board, worker->slot);
    slots_release(pools->slots, worker);
}

void pool_drain(struct worker *worker, uint64_t now_usec)
{
    int r;

    if (!worker->draining) {
        pool_count_out(worker);
        (*count_of(worker->pool, worker))--;
        worker->pool->n_draining++;
        worker->draining = true;
        pool_count_in(worker);
    }
    worker->drained_usec = now_usec;
    r = slots_terminate(worker, worker->pool->stop_idle_ms);
    worker->told = r == 0 || r == -ESRCH; // gone already: its death is on the way
}
