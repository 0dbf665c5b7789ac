// SPDX-License-Identifier: MIT
// Deaths of workers. A child is looked up by its pid in the private table before its status is
// believed; one record per abnormal death, at most ten in ten seconds per pool, then a count.

#include "master/master_deaths.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>

#include "base/base.h"
#include "config/handler.h"
#include "log/log.h"
#include "log/notify.h"
#include "master/death_left.h"
#include "master/death_peer.h"
#include "master/master_events.h"
#include "master/master_kin.h"
#include "master/master_listeners.h"
#include "master/master_orphans.h"
#include "master/master_resting.h"
#include "master/master_stop.h"
#include "pool/pool_sources.h"
#include "process/process.h"
#include "session/session_log.h"
#include "session/session_refused.h"

#define YOUNG_USEC    USEC_PER_SEC
#define PERIOD_USEC   (10 * USEC_PER_SEC)
#define SAID_A_PERIOD 10
#define LONG_LOOP     10 // early deaths in a row: those after them are one record a period
#define RETRY_USEC    (100 * USEC_PER_MSEC)

struct death {
    struct worker *worker;
    struct score score; // gossip: what it was doing
    siginfo_t info;
    uint64_t age_usec;
    bool is_shut;  // a program whose listener somebody has shut down: nobody can serve
    bool on_trial; // a program beside old ones, which has not shown that it runs
    bool is_done;  // a program that had nothing to do any more
};

static bool is_crash(const siginfo_t *info)
{
    int signal = info->si_code == CLD_EXITED ? 0 : info->si_status;

    return signal == SIGSEGV || signal == SIGBUS || signal == SIGILL || signal == SIGFPE ||
           signal == SIGABRT || signal == SIGSYS;
}

// What died was a program in a worker's place: its status is none of ours, and nobody knows its
// sessions.
static bool is_program(const struct death *death)
{
    return death->worker->accepts_itself && death->score.state != WORKER_STARTING;
}

// By its sandbox, as far as the kernel tells; what the call was, only the worker could.
static bool is_forbidden(const struct death *death)
{
    return death->info.si_code != CLD_EXITED && death->info.si_status == SIGSYS &&
           !is_program(death);
}

// A module may leave with any status and at any time; only a worker that says so leaves by our
// door.
static bool is_by_module(const struct death *death)
{
    return death->worker->loads_code && death->score.state != WORKER_LEAVING &&
           death->info.si_status != WORKER_EXIT_MODULE_EXITED;
}

// Its exit status, as process.h has it; -1: there is none.
static int exit_of(const struct death *death)
{
    return death->info.si_code == CLD_EXITED && !is_program(death) && !is_by_module(death)
               ? death->info.si_status
               : -1;
}

static bool says_done(const struct death *death)
{
    return is_program(death) && death->info.si_code == CLD_EXITED && death->info.si_status == 0;
}

// It did what it was told, or what it is for.
static bool is_normal(const struct death *death)
{
    if (is_program(death))
        return death->worker->draining || death->is_done;
    return exit_of(death) == WORKER_EXIT_DRAINED || exit_of(death) == WORKER_EXIT_RETIRED;
}

static enum pool_exit kind_of(const struct death *death)
{
    if (is_forbidden(death))
        return POOL_EXIT_FORBIDDEN;
    if (is_crash(&death->info))
        return POOL_EXIT_CRASHED;
    if (exit_of(death) == WORKER_EXIT_DRAINED || (is_program(death) && death->worker->draining))
        return POOL_EXIT_DRAINED;
    if (death->info.si_code != CLD_EXITED)
        return POOL_EXIT_KILLED;
    switch (exit_of(death)) {
    case WORKER_EXIT_RETIRED:
        return POOL_EXIT_RETIRED;
    case WORKER_EXIT_PROGRAM:
    case WORKER_EXIT_MODULE_EXITED:
    case -1:
        return POOL_EXIT_PROGRAM;
    default:
        return POOL_EXIT_FAILED;
    }
}

// "killed by signal 9 (KILL)", "exited with status 12 (out of files)"
static void describe(const struct death *death, char *text, size_t size)
{
    const siginfo_t *info = &death->info;
    const char *name = sigabbrev_np(info->si_status);
    char call[32];

    if (info->si_code == CLD_EXITED && exit_of(death) < 0)
        (void)snprintf(text, size, "exited with status %d%s", info->si_status,
                       is_program(death) ? "" : " (the module called _exit())");
    else if (info->si_code == CLD_EXITED)
        (void)snprintf(text, size, "exited with status %d (%s)", info->si_status,
                       worker_exit_name(info->si_status));
    else if (is_forbidden(death)) {
        sandbox_name_call(death->score.forbidden, call, sizeof(call));
        (void)snprintf(text, size, "killed by its sandbox (forbidden call: %s)", call);
    } else {
        (void)snprintf(text, size, "%s by signal %d (%s)",
                       info->si_code == CLD_DUMPED ? "dumped core" : "killed", info->si_status,
                       name ? name : "unknown");
    }
}

// The file of the module that it had, NULL: none. What one of an earlier generation had is not
// known.
static const char *module_of(const struct worker *worker)
{
    const struct pool *pool = worker->pool;

    return worker->loads_code && worker->generation == pool->generation
               ? pool->service->handler->runs(pool->service)
               : NULL;
}

static void log_death(const struct master *master, const struct death *death)
{
    const struct worker *worker = death->worker;
    struct log_field fields[POOL_FIELDS + 4];
    const char *module = module_of(worker);
    struct log_field *own = &fields[POOL_FIELDS];
    char how[96], peer[2 * ADDRESS_TEXT_MAX + 16];
    const char *whom = death_peer_describe(master->config->log_addresses, &death->score, peer,
                                           sizeof(peer));
    int priority = is_normal(death) || worker->draining ? LOG_DEBUG : LOG_WARNING;

    if (is_crash(&death->info))
        priority = LOG_ALERT; // someone may be looking for a way in (B46)
    describe(death, how, sizeof(how));
    if (!is_normal(death))
        master_tell(master, MASTER_EVENT_DIED, worker->pool, worker->pid,
                    "worker %d %s, serving %s", worker->pid, how, whom);
    pool_fields(worker->pool, fields);
    log_field_set_number(&own[0], "TCPD_WORKER", (uint64_t)worker->pid);
    log_field_set(&own[1], "TCPD_PEER", whom);
    log_field_set_number(&own[2], "TCPD_SESSIONS", death->score.sessions);
    log_field_set(&own[3], "TCPD_MODULE", module ? module : "");
    log_record(priority, module ? EVENT_MODULE_DIED : EVENT_WORKER_DIED, fields,
               ELEMENTS(fields) - (module ? 0 : 1),
               "%s: worker %d %s after %" PRIu64 ".%03" PRIu64 " s and %" PRIu64
               " session%s, serving %s%s%s",
               worker->pool->name, worker->pid, how, death->age_usec / USEC_PER_SEC,
               death->age_usec % USEC_PER_SEC / USEC_PER_MSEC, death->score.sessions,
               PLURAL(death->score.sessions), whom, module ? ", with module " : "",
               module ? module : "");
}

static void note(struct master *master, const struct death *death)
{
    struct pool *pool = death->worker->pool;
    unsigned most = pool->deaths.n_failures > LONG_LOOP ? 1 : SAID_A_PERIOD;

    if (is_normal(death) || pool->n_deaths_said < most)
        log_death(master, death);
    else
        pool->n_deaths_unsaid++;
    if (!is_normal(death))
        pool->n_deaths_said++;
}

static void say_source(const struct master *master, const struct death *death)
{
    const struct pool *pool = death->worker->pool;
    struct log_field fields[POOL_FIELDS + 1];
    char text[2 * ADDRESS_TEXT_MAX + 16];
    const char *peer = death_peer_describe(master->config->log_addresses, &death->score, text,
                                           sizeof(text));

    pool_fields(pool, fields);
    log_field_set(&fields[POOL_FIELDS], "TCPD_PEER", peer);
    log_record(LOG_WARNING, EVENT_SOURCE_CRASHES, fields, ELEMENTS(fields),
               "%s: the fifth worker within a minute died while it served %s or its neighbours; "
               "more of these do not hold the pool back",
               pool->name, peer);
}

static void say_penalty(const struct master *master, const struct death *death)
{
    const struct pool *pool = death->worker->pool;
    char text[ADDRESS_TEXT_MAX];

    log_notice(
        "%s: the source of %s has a penalty from now on, as its worker crashed", pool->name,
        death_peer_describe(master->config->log_addresses, &death->score, text, sizeof(text)));
}

// From the fifth death on, that its workers die is a client's doing, for which nobody else is to
// wait. A worker that lies about its client gains a hundred starts a second.
static bool is_of_source(const struct master *master, const struct death *death, uint64_t now)
{
    static const struct spawn_rate excuses = {.per_sec = 100, .burst = 100};
    struct pool *pool = death->worker->pool;
    unsigned n = 0;

    if (!is_program(death) && death->score.state == WORKER_BUSY)
        n = sources_charge(&pool->sources, &death->score.peer, now);
    if (n == SOURCE_FREE + 1)
        say_source(master, death);
    return n > SOURCE_FREE && sizing_take(&pool->excused, &excuses, 1, now) == 1;
}

// Said when it grows, as it stays what it is for as long as the deaths go on.
static void say_throttled(struct pool *pool, uint64_t wait)
{
    struct log_field fields[POOL_FIELDS];

    if (wait <= pool->held_usec)
        return;
    pool->held_usec = wait;
    pool_fields(pool, fields);
    if (wait <= POOL_RETRY_USEC)
        log_record(LOG_ERR, EVENT_THROTTLED, fields, POOL_FIELDS,
                   "%s: %u workers in a row died early; the next one starts in %" PRIu64 " ms",
                   pool->name, pool->deaths.n_failures, wait / USEC_PER_MSEC);
    else
        log_record(LOG_ERR, EVENT_THROTTLED, fields, POOL_FIELDS,
                   "%s: %u workers in a row died early; the next one starts in 1 s, others than "
                   "those of min_workers in %" PRIu64 " ms",
                   pool->name, pool->deaths.n_failures, wait / USEC_PER_MSEC);
}

// Early and abnormal deaths in a row slow the pool's growth down; a worker that has served ends it.
static void throttle(struct master *master, const struct death *death, uint64_t now)
{
    struct pool *pool = death->worker->pool;
    bool young = (death->score.sessions == 0 && !is_program(death)) ||
                 death->age_usec < YOUNG_USEC || death->on_trial ||
                 exit_of(death) == WORKER_EXIT_PROGRAM;

    if (is_normal(death)) {
        if (death->score.sessions > 0)
            throttle_reset(&pool->deaths);
        return;
    }
    if (is_of_source(master, death, now) || !young || death->is_shut)
        return;
    if (master->phase == MASTER_STOPPING && !pool->service->leaves_clients)
        return; // who waits in the queue gets a worker at once
    if (death->worker->started_usec < pool->death_usec)
        return; // of the same litter as one that was counted: only a new start can fail anew
    pool->death_usec = now;
    if (pool->deaths.n_failures == 0)
        pool->held_usec = 0;
    describe(death, pool->last_death, sizeof(pool->last_death));
    say_throttled(pool, throttle_fail(&pool->deaths, &throttle_deaths, now));
}

static void fail_start(struct master *master, const struct pool *pool)
{
    log_error("%s: cannot set up its workers", pool->name);
    notify_failure(EIO, "workers cannot be set up");
    master_stop(master, true, EX_OSERR);
}

static void bury(struct master *master, const siginfo_t *info)
{
    struct worker *worker = slots_find(master->pools.slots, info->si_pid);
    uint64_t now = base_now_usec();
    struct death death = {.worker = worker, .info = *info};
    struct pool *pool;
    bool is_listener;
    int status;

    if (info->si_pid == master->rehearsal.pid) {
        rehearsal_note_end(&master->rehearsal, info);
        return;
    }
    if (info->si_pid == master->check.pid) {
        rehearsal_note_end(&master->check, info);
        return;
    }
    master_note_death(master, worker, info->si_pid, now);
    if (!worker)
        return; // an orphan, one that was here before us, or a child of a library
    pool = worker->pool;
    death.age_usec = now - worker->started_usec;
    death.score = scoreboard_read(&master->pools.board, worker->slot);
    death.is_shut = is_program(&death) && listener_is_shut(pool->listener);
    death.on_trial = pool_is_on_trial(worker, now);
    death.is_done = says_done(&death) && !death.on_trial && master_let_rest(master, worker, now);
    status = exit_of(&death);
    is_listener = worker->accepts_itself;
    pool_text_log(pool, false); // its last words come first
    pool->n_forbidden += is_forbidden(&death);
    pool->totals.exits[kind_of(&death)]++;
    note(master, &death);
    death_write_left(&master->pools, worker);
    if (pool_sources_bury(&master->pools, worker, is_crash(info), now))
        say_penalty(master, &death);
    throttle(master, &death, now);
    if (death.is_shut || (status == WORKER_EXIT_LISTENER_LOST && !worker->draining))
        master_lose_listener(master, pool, now);
    pool_remove(&master->pools, worker, &death.score, info->si_code != CLD_EXITED);
    if (master->phase == MASTER_STARTING &&
        (status == WORKER_EXIT_SETUP_FAILED || (status == WORKER_EXIT_PROGRAM && is_listener)))
        fail_start(master, pool);
}

static void note_stopped(struct master *master, const siginfo_t *info)
{
    struct worker *worker = slots_find(master->pools.slots, info->si_pid);

    if (!worker)
        return;
    worker->stopped_usec = info->si_code == CLD_STOPPED ? base_now_usec() : 0;
    worker->pool->has_stopped |= info->si_code == CLD_STOPPED;
}

void master_reap(struct master *master)
{
    uint64_t began = base_now_usec(), now = began;

    if (now < master->reap_due_usec)
        return;
    // SIGCHLD tells of one or of many (B29).
    do {
        siginfo_t info = {0};
        int r = waitid(P_ALL, 0, &info, WEXITED | WSTOPPED | WCONTINUED | WNOHANG);
        bool none = r < 0 ? errno == ECHILD : info.si_pid == 0;
        uint64_t before = now;

        now = base_now_usec();
        if (none) { // to find none the kernel looked at every child
            master->reaping = false;
            master->reap_due_usec = now + POOL_REST * (now - before);
            return;
        }
        if (r < 0) { // there may be some all the same
            master->reap_due_usec = now + RETRY_USEC;
            return;
        }
        if (info.si_code == CLD_STOPPED || info.si_code == CLD_CONTINUED)
            note_stopped(master, &info);
        else
            bury(master, &info);
        now = base_now_usec();
    } while (now - began < MASTER_TURN_USEC);
}

void master_report_unsaid(struct master *master, uint64_t now_usec)
{
    if (now_usec - master->deaths_usec < PERIOD_USEC)
        return;
    master->deaths_usec = now_usec;
    master_report_refused(master);
    for (struct pool *pool = master->pools.first; pool; pool = pool->next) {
        struct pool_hint *hint = scoreboard_hint(&master->pools.board, pool->index);

        session_log_report(&hint->quota, pool->name, pool->config, pool->totals.lost);
        session_log_refusals(&hint->refusals, pool->name, pool->config,
                             (unsigned)(PERIOD_USEC / USEC_PER_SEC));
        if (pool->n_deaths_unsaid > 0)
            log_warning("%s: %u more worker%s died in %u s", pool->name, pool->n_deaths_unsaid,
                        PLURAL(pool->n_deaths_unsaid), (unsigned)(PERIOD_USEC / USEC_PER_SEC));
        pool->n_deaths_said = pool->n_deaths_unsaid = pool->n_left_said = 0;
    }
}
