// SPDX-License-Identifier: MIT
// Copies that have nothing to do. As a `wait` program of inetd says it by its end, so does one that
// accepts by itself (program_mode = listener): status 0. It may have served one client, or waited
// in vain for the next. It is started again when somebody comes; the listener is watched for that,
// by edges, as it stays readable until a copy has begun. Whom a copy has served, nobody knows. One
// that exits at once, again and again, and leaves those who wait in the queue, must not be started
// without a pause; but in doubt it has served.

#include "master/master_resting.h"

#include <sys/epoll.h>

#include "base/base.h"
#include "log/log.h"

#define YOUNG_USEC    USEC_PER_SEC
#define PERIOD_USEC   (100 * USEC_PER_MSEC) // in which ...
#define EVENTS_PERIOD 10                    // ... so many clients are noticed

// Whether somebody has come since this was asked last.
static bool has_come(struct master *master, struct pool *pool)
{
    struct epoll_event event;

    if (epoll_wait(sd_event_source_get_io_fd(pool->rest.source), &event, 1, 0) <= 0)
        return false;
    pool->rest.client_usec = base_now_usec();
    pool->rest.called = true;
    if (pool->rest.n > 0)
        master_look_again(master);
    return true;
}

static int on_client(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    struct master *master = userdata;

    (void)fd;
    (void)events;
    for (struct pool *pool = master->pools.first; pool; pool = pool->next)
        if (pool->rest.source == source)
            (void)has_come(master, pool);
    return 0;
}

// The edges of a listener: an epoll of its own, so that they can be asked for at any time. Its
// descriptor, or -1.
static int open_edges(int listener)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    cleanup_close int fd = epoll_create1(EPOLL_CLOEXEC);

    if (fd < 0 || epoll_ctl(fd, EPOLL_CTL_ADD, listener, &event) < 0)
        return -1;
    return base_take_fd(&fd);
}

// From the first copy that rests on; others serve without the master. What cannot be watched is
// looked at by the clock.
static void watch(struct master *master, struct pool *pool, uint64_t now)
{
    struct pool_rest *rest = &pool->rest;
    cleanup_close int fd = -1;

    if (rest->source || pool->closing)
        return;
    fd = open_edges(pool->listener->fd);
    if (fd < 0 || sd_event_add_io(master->event, &rest->source, fd, EPOLLIN, on_client, master) < 0)
        return;
    (void)sd_event_source_set_io_fd_own(rest->source, true);
    (void)base_take_fd(&fd);
    rest->client_usec = now;
    (void)sd_event_source_set_ratelimit(rest->source, PERIOD_USEC, EVENTS_PERIOD);
    log_info("%s: its program has exited with status 0: it is started again when a client comes",
             pool->name);
}

// Whether the queue, as it was a moment ago, shows that it has taken nobody: those who waited
// before are all there, and nobody has come, up to now.
static bool took_nobody(struct master *master, struct pool *pool, const struct worker *worker,
                        unsigned queued)
{
    const struct pool_rest *rest = &pool->rest;
    bool sees_all = rest->source && sd_event_source_is_ratelimited(rest->source) == 0;

    return listener_counts(pool->listener) && sees_all && queued == worker->queued &&
           !has_come(master, pool) && rest->client_usec < worker->started_usec;
}

// It may have, or not.
static void note_doubt(struct pool *pool, uint64_t now)
{
    struct throttle *doubts = &pool->rest.doubts;

    if (throttle_fail(doubts, &throttle_doubts, now) > 0 &&
        doubts->n_failures == throttle_doubts.n_free + 1)
        log_warning("%s: copies of its program exit at once with status 0, and clients still wait: "
                    "at most 10 a second are started from now on",
                    pool->name);
}

bool master_let_rest(struct master *master, const struct worker *worker, uint64_t now_usec)
{
    struct pool *pool = worker->pool;
    unsigned queued = listener_queued(pool->listener);

    if (worker->draining || worker->generation != pool->generation)
        return true;
    watch(master, pool, now_usec);
    pool->rest.n += queued == 0;
    if (queued == 0 || queued < worker->queued) {
        throttle_reset(&pool->rest.doubts);
        if (worker->queued > 0)
            throttle_reset(&pool->deaths);
        return true;
    }
    if (now_usec - worker->started_usec >= YOUNG_USEC)
        return true;
    if (took_nobody(master, pool, worker, queued))
        return false;
    note_doubt(pool, now_usec);
    return true;
}

void master_call_resting(struct pool *pool)
{
    struct pool_rest *rest = &pool->rest;
    bool called = rest->called || pool->n_active == 0;
    unsigned queued = called && rest->n > 0 ? listener_queued(pool->listener) : 0;

    rest->n -= queued < rest->n ? queued : rest->n;
    rest->called = false;
}

void master_forget_resting(struct pool *pool)
{
    pool->rest.source = sd_event_source_disable_unref(pool->rest.source);
}
