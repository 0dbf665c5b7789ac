// SPDX-License-Identifier: MIT
// The event loop. Signals, deaths and workers' hints only ask for another look; master_balance()
// looks. After READY=1 nothing in here ends the process but a signal: errors are logged and tried
// again by the clock.

#include "master/master.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <sysexits.h>

#include "base/base.h"
#include "log/log.h"
#include "log/notify.h"
#include "master/master_balance.h"
#include "master/master_check.h"
#include "master/master_deaths.h"
#include "master/master_events.h"
#include "master/master_idle.h"
#include "master/master_kin.h"
#include "master/master_listeners.h"
#include "master/master_nodes.h"
#include "master/master_orphans.h"
#include "master/master_status.h"
#include "master/master_stop.h"
#include "master/master_terminal.h"
#include "master/reload.h"
#include "pool/pool_sources.h"
#include "transport/transport.h"

#define TICK_USEC    USEC_PER_SEC
#define TWICE_USEC   USEC_PER_SEC        // one request that comes twice, as timeout(1) sends it
#define FORGIVE_USEC (60 * USEC_PER_SEC) // early deaths are forgotten after that long without one

static int on_stop(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata)
{
    struct master *master = userdata;
    bool twice = si->ssi_signo == SIGTERM && master->phase == MASTER_STOPPING &&
                 base_now_usec() - master->phase_usec < TWICE_USEC;

    (void)source;
    if (!twice && !master_refuses_signal(master, si))
        master_stop(master, si->ssi_signo != SIGTERM, EX_OK);
    return 0;
}

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata)
{
    struct master *master = userdata;

    (void)source;
    if (master_refuses_signal(master, si))
        return 0;
    if (!master_lost_terminal(master, si))
        reload_start(master);
    else if (master->phase != MASTER_STOPPING)
        master_stop(master, false, EX_OK);
    return 0;
}

static int on_status(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata)
{
    (void)source;
    if (!master_refuses_signal(userdata, si))
        master_log_status(userdata);
    return 0;
}

// One worker more (TTIN) or fewer (TTOU) in each pool, until the next reload.
static int on_resize(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata)
{
    struct master *master = userdata;
    int step = si->ssi_signo == SIGTTIN ? 1 : -1;

    (void)source;
    if (master_refuses_signal(master, si))
        return 0;
    for (struct pool *pool = master->pools.first; pool; pool = pool->next) {
        struct sizing_limits bounds = pool_bounds(pool);
        int64_t min = (int64_t)bounds.min + pool->adjustment + step;

        if (pool->closing)
            continue;
        if (min < 1 || min > (int64_t)bounds.max) {
            log_warning("%s: stays between 1 and %u worker%s", pool->name, bounds.max,
                        PLURAL(bounds.max));
            continue;
        }
        pool->adjustment += step;
        if (step < 0 && pool->rest.n > 0)
            pool->rest.n--;
        else if (step < 0)
            pool_drain_some(&master->pools, pool, 1, base_now_usec());
        log_info("%s: at least %" PRId64 " workers from now on", pool->name, min);
    }
    master_look_again(master);
    return 0;
}

static int on_death(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata)
{
    struct master *master = userdata;

    (void)source;
    (void)si;
    master->reaping = true;
    master_look_again(master);
    return 0;
}

static int on_wake(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    eventfd_t count;
    struct iovec iov = {.iov_base = &count, .iov_len = sizeof(count)};

    (void)source;
    (void)events;
    // A hint: how many does not matter. O_NONBLOCK is every worker's as well, who may clear it.
    // Each write is an event of its own, so it may stay unread, as where a filter allows no
    // preadv2().
    (void)!preadv2(fd, &iov, 1, -1, RWF_NOWAIT);
    master_look_again(userdata);
    return 0;
}

// When to think of the watchdog next; while the pools are not healthy, again in a while.
static uint64_t ping_due(const struct master *master, uint64_t now)
{
    uint64_t due = master->pinged_usec + master->watchdog_usec / 2;

    return due > now ? due : now + master->watchdog_usec / 8;
}

static int set_timer(struct master *master, uint64_t now)
{
    uint64_t next = master->tick_usec + TICK_USEC;
    uint64_t due = master_balance_due(master, now);
    uint64_t idle_due = master_idle_due(master, now);

    if (due < next)
        next = due;
    if (idle_due < next)
        next = idle_due;
    if (reload_due(master) < next)
        next = reload_due(master);
    if (check_due(master) < next)
        next = check_due(master);
    if (master->reaping && master->reap_due_usec < next)
        next = master->reap_due_usec;
    if (master_stop_due(master) < next)
        next = master_stop_due(master);
    if (master->watchdog_usec > 0 && ping_due(master, now) < next)
        next = ping_due(master, now);
    (void)sd_event_source_set_time(master->timer, next);
    return sd_event_source_set_enabled(master->timer, SD_EVENT_ONESHOT);
}

// Before each turn of the loop while a look is asked for.
static int set_precedence(sd_event_source *source, void *userdata)
{
    const struct master *master = userdata;
    bool is_behind = base_now_usec() - master->calls_usec < MASTER_CALLS_USEC;

    (void)sd_event_source_set_priority(source, is_behind ? MASTER_PRIORITY_BEHIND
                                                         : MASTER_PRIORITY_BALANCE);
    return 0;
}

static int on_balance(sd_event_source *source, void *userdata)
{
    struct master *master = userdata;
    uint64_t now = base_now_usec();

    (void)source;
    if (master->reaping)
        master_reap(master);
    if (master->orphans.are_due && !master->reaping)
        master_end_orphans(master);
    check_decide(master, now);
    if (master_balance(master, now) || (master->reaping && now >= master->reap_due_usec))
        master_look_again(master);
    if (master->phase == MASTER_STOPPING && !master->pools.first && master_is_alone(master, now))
        return sd_event_exit(master->event, master->exit_status);
    if (base_now_usec() - master->calls_usec >= MASTER_CALLS_AGAIN_USEC)
        master->calls_usec = base_now_usec();
    return set_timer(master, now);
}

// Healthy: every pool can serve, or is held back by its own throttle or by sessions that last,
// which a restart of the whole daemon would not help.
static bool is_healthy(const struct master *master, uint64_t now)
{
    for (const struct pool *pool = master->pools.first; pool; pool = pool->next)
        if (pool->n_active + pool->n_old + pool->rest.n == 0 && !pool->closing &&
            !pool_is_paused(pool) && !pool_is_full(pool) && !listener_is_shut(pool->listener) &&
            throttle_wait(&pool->deaths, now) == 0 && throttle_wait(&pool->forks, now) == 0 &&
            now - master->phase_usec > 10 * USEC_PER_SEC)
            return false;
    return true;
}

static void ping_watchdog(struct master *master, uint64_t now)
{
    if (master->watchdog_usec == 0 || now - master->pinged_usec < master->watchdog_usec / 2)
        return;
    if (!is_healthy(master, now))
        return;
    if (notify_watchdog())
        master->pinged_usec = now;
}

static void continue_stopped(struct pool *pool, uint64_t now)
{
    struct log_field fields[POOL_FIELDS];
    pid_t pid = 0;
    unsigned n = pool_continue(pool, now, &pid);

    if (n == 0)
        return;
    pool_fields(pool, fields);
    log_record(LOG_WARNING, EVENT_NONE, fields, POOL_FIELDS,
               "%s: someone stopped %u worker%s, worker %d for one, 10 s ago; continued",
               pool->name, n, PLURAL(n), (int)pid);
}

static void tick_pool(struct master *master, struct pool *pool, uint64_t now)
{
    struct sizing_limits limits = pool_limits(pool);
    struct sizing_counts counts;

    pool_tend(&master->pools, pool, now);
    continue_stopped(pool, now);
    pool_sources_tend(&master->pools, pool, now);
    pool_text_log(pool, true);
    if (now - pool->death_usec >= FORGIVE_USEC)
        throttle_reset(&pool->deaths);
    if (pool_scan(&master->pools, pool))
        pool_correct(&master->pools, pool);
    pool->rest.called = true; // whoever is still in the queue
    counts = pool_sizing(pool);
    pool_rouse(&master->pools, pool, counts.queued);
    if (!pool->closing && master->phase == MASTER_RUNNING)
        pool_drain_some(&master->pools, pool, sizing_excess(&limits, &counts, &pool->surplus, now),
                        now);
}

// What needs no event but the clock: ages, surplus, counts that have drifted, status.
static void tick(struct master *master, uint64_t now)
{
    master->tick_usec = now;
    for (struct pool *pool = master->pools.first; pool; pool = pool->next)
        tick_pool(master, pool, now);
    master_mend_listeners(master, now);
    master_report_unsaid(master, now);
    master_tell_pools(master, now);
    master_extend_stop(master);
    if (master->phase != MASTER_STARTING)
        (void)master_status(master);
    nodes_publish(master, now);
    transport_tick(master->config, now);
    notify_tick();
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct master *master = userdata;
    uint64_t now = base_now_usec();

    (void)source;
    (void)usec;
    ping_watchdog(master, now);
    if (now - master->tick_usec >= TICK_USEC)
        tick(master, now);
    master_exit_if_idle(master, now);
    master_look_again(master);
    return 0;
}

static int add_signal(struct master *master, int signal, sd_event_signal_handler_t handler)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, signal);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return -errno;
    return sd_event_add_signal(master->event, NULL, signal, handler, master);
}

static int add_sources(struct master *master)
{
    static const struct {
        int signal;
        sd_event_signal_handler_t handler;
    } signals[] = {
        {SIGTERM, on_stop},   {SIGINT, on_stop},    {SIGQUIT, on_stop},   {SIGHUP, on_hangup},
        {SIGUSR1, on_status}, {SIGTTIN, on_resize}, {SIGTTOU, on_resize}, {SIGCHLD, on_death},
    };
    int r = sd_event_new(&master->event);

    for (size_t i = 0; r >= 0 && i < ELEMENTS(signals); i++)
        r = add_signal(master, signals[i].signal, signals[i].handler);
    if (r >= 0)
        r = sd_event_add_io(master->event, NULL, master->pools.wake, EPOLLIN | EPOLLET, on_wake,
                            master);
    if (r >= 0)
        r = sd_event_add_defer(master->event, &master->balance, on_balance, master);
    if (r >= 0)
        r = sd_event_source_set_prepare(master->balance, set_precedence);
    if (r >= 0)
        r = sd_event_add_time(master->event, &master->timer, CLOCK_MONOTONIC,
                              base_now_usec() + TICK_USEC, USEC_PER_MSEC, on_timer, master);
    return r;
}

static int make_pools(struct master *master)
{
    for (size_t i = 0; i < master->set.n; i++)
        if (!pool_new(&master->pools, master->set.items[i].listener, master->config,
                      master->set.items[i].service, master->generation))
            return -ENOSPC;
    pools_settle_memory(&master->pools);
    master_adopt_orphans(master);
    return 0;
}

int master_open(struct master *ret, const struct config_source *source, struct config *config,
                struct listener_set *set)
{
    const char *lacks;
    int r;

    *ret = (struct master){
        .source = source,
        .config = config,
        .set = *set,
        .generation = 1,
        .rehearsal = REHEARSAL_NONE,
        .check = REHEARSAL_NONE,
        .phase_usec = base_now_usec(),
        .watchdog_usec = notify_watchdog_usec(),
        .has_terminal = master_has_terminal(),
    };
    r = pools_open(&ret->pools);
    master_meet_kin(ret);
    if (r >= 0)
        r = make_pools(ret);
    if (r >= 0)
        r = nodes_open(ret);
    lacks = sandbox_lacks(&ret->pools.sandbox);
    if (lacks)
        log_notice("workers run without %s, which this system has not, or forbids", lacks);
    if (r >= 0)
        r = add_sources(ret);
    return r;
}

int master_run(struct master *master)
{
    int r = sd_event_loop(master->event);

    notify_tick(); // what is owed has its last chance
    if (r == EX_OK)
        log_record(LOG_INFO, EVENT_STOPPED, NULL, 0, "stopped");
    else if (r < 0)
        log_error("the event loop failed: %s", strerror(-r));
    return r < 0 ? EX_OSERR : r;
}

void master_close(struct master *master)
{
    (void)sd_event_source_unref(master->balance);
    (void)sd_event_source_unref(master->timer);
    (void)sd_event_unref(master->event);
    rehearsal_close(&master->rehearsal);
    rehearsal_close(&master->check);
    free(master->orphans.others);
    pools_close(&master->pools);
    nodes_close(master);
    listeners_forget(&master->set);
    (void)config_unref(master->config);
}
