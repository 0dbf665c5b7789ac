// SPDX-License-Identifier: MIT
// Reload: everything is read and checked in a child first (rehearsal.h), then read from what the
// child has read, and opened; only then pools change. Listeners that stay keep their queue and
// never refuse; the old generation serves until the new one is ready. On any error all stays as it
// was. READY=1 is sent in every case, or systemd would wait for ever.

#include "master/reload.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/answers.h"
#include "base/base.h"
#include "config/config_check.h"
#include "config/config_left_out.h"
#include "config/unit_filter.h"
#include "log/log.h"
#include "log/notify.h"
#include "master/master_events.h"
#include "master/master_idle.h"
#include "master/master_nodes.h"
#include "master/master_orphans.h"
#include "master/master_status.h"
#include "master/master_steer.h"

#define TOLD_USEC     (2 * USEC_PER_SEC) // old workers were told twice by then: they may only close
#define PATIENCE_USEC (10 * USEC_PER_SEC)

static void finish(struct master *master, enum log_event event, const char *how)
{
    master->phase = MASTER_RUNNING;
    master->phase_usec = base_now_usec();
    notify_ready(master_status(master));
    log_record(event == EVENT_RELOADED ? LOG_INFO : LOG_ERR, event, NULL, 0, "%s", how);
    if (master->reload_problem[0] != '\0')
        master_tell(master, MASTER_EVENT_REFUSED, NULL, 0, "%s", master->reload_problem);
    else
        master_tell(master, MASTER_EVENT_RELOADED, NULL, 0, "%s", how);
    master_look_again(master);
}

static void refuse(struct master *master, const struct problems *problems)
{
    for (size_t i = 0; i < problems->n; i++)
        log_error("%s", problems->texts[i]);
    (void)snprintf(master->reload_problem, sizeof(master->reload_problem), "%s",
                   problems->n > 0 ? problems->texts[0] : "out of memory");
    master->n_reloads[RELOAD_REFUSED]++;
    finish(master, EVENT_RELOAD_FAILED, "reload failed; the old configuration stays in force");
    master_say_reload_refused(master, problems);
}

static struct pool *find_pool(const struct master *master, const struct listener *listener)
{
    for (struct pool *pool = master->pools.first; pool; pool = pool->next)
        if (pool->listener == listener)
            return pool;
    return NULL;
}

// A pool stays, or comes back while it was being closed.
static void keep(struct pool *pool, struct listener *listener, const struct service *service,
                 enum address_speaks speaks)
{
    int r = listener_keep(listener, service, speaks);

    if (r < 0)
        log_warning("%s: cannot change backlog, mode or owner: %s", pool->name, strerror(-r));
    if (pool->was_closing) {
        listener_resume(listener);
        listener_store(listener);
    }
    pool->closing = pool->drained = false;
    pool->quiet_usec = 0;
}

// Pools that are being emptied have their places until their last session ends. 0, or -ENOSPC after
// closing what is new.
static int check_room(const struct master *master, struct listener_set *set,
                      struct problems *problems)
{
    unsigned n_new = 0, n_free = pools_count_free(&master->pools);

    for (size_t i = 0; i < set->n; i++)
        n_new += find_pool(master, set->items[i].listener) == NULL;
    if (n_new <= n_free)
        return 0;
    problems_add(problems, master->source->name, 0,
                 "too many listeners: %u are new, and there is room for %u until sessions at those "
                 "that were dropped before have ended",
                 n_new, n_free);
    for (size_t i = 0; i < set->n; i++)
        if (!find_pool(master, set->items[i].listener))
            listener_undo(set->items[i].listener);
    listeners_forget(set);
    return -ENOSPC;
}

static void tell(const struct service *service, const struct listener *listener)
{
    char room[64];

    log_info("%s %s: listening, %s", service->name, listener->address,
             listener_describe_room(listener, room, sizeof(room)));
}

// A socket unit was made of the lists as they were.
static void warn_of_filter(const struct pool *pool, const struct service *service)
{
    if (pool->listener->origin == LISTENER_ACTIVATED &&
        !unit_filter_is_same(pool->service, service))
        log_warning(
            "%s: its socket unit filters clients as before, until \"tcpdctl sockets apply\" "
            "or its restart after \"systemctl daemon-reload\"",
            service->name);
}

// The point of no return: pools that stay get the new generation, new ones are made, the others go.
static void commit(struct master *master, struct config *config, struct listener_set *set)
{
    for (struct pool *pool = master->pools.first; pool; pool = pool->next) {
        pool->was_closing = pool->closing;
        pool->closing = true;
    }
    for (size_t i = 0; i < set->n; i++) {
        const struct service *service = set->items[i].service;
        struct listener *listener = set->items[i].listener;
        struct pool *pool = find_pool(master, listener);

        if (pool) {
            if (pool->was_closing)
                tell(service, listener);
            if (i == 0 || set->items[i - 1].service != service)
                warn_of_filter(pool, service);
            keep(pool, listener, service, set->items[i].speaks);
            steer_keep(pool, pool->was_closing);
            pool->scan_due_usec = 0; // what is kept is what is there now
            (void)pool_scan(&master->pools, pool);
            pool_renew(pool, config, service, master->generation);
        } else { // check_room() has seen that there is room
            pool = pool_new(&master->pools, listener, config, service, master->generation);
            steer_join(master, pool);
            listener_store(listener);
            tell(service, listener);
        }
    }
    pools_settle_memory(&master->pools);
    master_adopt_orphans(master);
    for (const struct pool *pool = master->pools.first; pool; pool = pool->next)
        if (pool->closing && !pool->was_closing && !pool->listener->replaced)
            log_info("%s: no longer listening%s", pool->name,
                     pool->listener->origin == LISTENER_ACTIVATED
                         ? "; its socket unit still listens until it is stopped"
                         : "");
    listeners_forget(&master->set);
    master->set = *set;
    (void)config_unref(master->config);
    master->config = config;
    nodes_adopt(master);
    master_warn_of_idle(master);
}

// What can go on listening: also a pool that is being closed, unless its path is removed already.
struct listener_set reload_make_staying_set(const struct master *master)
{
    struct listener_set staying = {.items = calloc(SCOREBOARD_POOLS, sizeof(staying.items[0]))};

    for (const struct pool *pool = master->pools.first; staying.items && pool; pool = pool->next) {
        bool gone = pool->closing && pool->listener->family == AF_UNIX;

        if (pool->listener->fd < 0 || gone)
            continue;
        staying.items[staying.n].listener = pool->listener;
        staying.items[staying.n++].service = pool->service;
    }
    return staying;
}

static void log_warnings(struct problems *warnings)
{
    for (size_t i = 0; i < warnings->n; i++)
        log_warning("%s", warnings->texts[i]);
    problems_done(warnings);
}

// Whether what cannot be served was not served before either.
static int leave_out(const struct master *master, const struct config *config,
                     struct problems *problems)
{
    struct problems left_out = {0};
    int r = config_check_left_out(config, master->config, problems, &left_out);

    for (size_t i = 0; i < left_out.n; i++)
        log_error("%s; the service is left out", left_out.texts[i]);
    problems_done(&left_out);
    return r;
}

static struct rehearsal_plan plan_of(const struct master *master)
{
    return (struct rehearsal_plan){.source = master->source,
                                   .n_workers = pools_count_workers(&master->pools)};
}

// The control socket is opened at the start alone.
static void warn_of_control(const struct config *running, const struct config *config)
{
    const char *before = running->control.text, *now = config->control.text;
    char place[4096];

    if (before && now && strcmp(before, now) == 0)
        return;
    if (now)
        log_warning(
            "%s: control = \"%s\" needs a restart of tcpd; a reload leaves it as it was",
            problems_place(config->control.file, config->control.line, place, sizeof(place)), now);
    else if (before)
        log_warning("control = \"%s\" is no longer configured, and stays until tcpd is restarted",
                    before);
}

// The configuration was good: what it asks for is opened, and takes its place.
static void switch_to(struct master *master, struct config *config, struct problems *problems)
{
    struct problems warnings = {0};
    struct listener_set staying = reload_make_staying_set(master), set;
    struct listen_plan plan = {0};
    const struct listeners_request request = {.config = config,
                                              .plan = &plan,
                                              .running = master->config,
                                              .old = &staying,
                                              .problems = problems,
                                              .warnings = &warnings};

    if (leave_out(master, config, problems) < 0 || config_find_owners(config, problems) < 0 ||
        nodes_prepare(config, problems) < 0 || listen_plan_make(config, &plan, problems) < 0 ||
        listeners_open(&request, &set) < 0 || check_room(master, &set, problems) < 0) {
        (void)config_unref(config);
        refuse(master, problems);
    } else {
        master->generation++;
        master->phase = MASTER_RELOADING;
        master->reload_problem[0] = '\0';
        master->phase_usec = master->progress_usec = base_now_usec();
        log_warnings(&warnings);
        warn_of_control(master->config, config);
        commit(master, config, &set);
    }
    listeners_forget(&staying);
    listen_plan_done(&plan);
    problems_done(&warnings);
}

// The child has ended.
static void take(struct master *master)
{
    struct problems problems = {0}, warnings = {0};
    struct rehearsal_plan plan = plan_of(master);
    int unused;
    struct config *config = rehearsal_take(&master->rehearsal, &plan, &problems, &warnings,
                                           &unused);

    rehearsal_close(&master->rehearsal);
    log_warnings(&warnings);
    if (config)
        switch_to(master, config, &problems);
    else
        refuse(master, &problems);
    answers_forget();
    problems_done(&problems);
}

static void give_up(struct master *master)
{
    struct problems problems = {0};
    struct rehearsal_plan plan = plan_of(master);

    rehearsal_blame(&master->rehearsal, &plan, master->config->reload_timeout_usec, &problems);
    rehearsal_close(&master->rehearsal);
    refuse(master, &problems);
    problems_done(&problems);
}

void reload_start(struct master *master)
{
    struct problems problems = {0};
    struct rehearsal_plan plan = plan_of(master);
    int r;

    if (master->phase == MASTER_STOPPING)
        return;
    if (master->phase != MASTER_RUNNING) {
        master->reload_again = true;
        return;
    }
    master->reload_again = false; // whoever asked before this moment is served by what is read now
    master_say_reload_started(master);
    notify_reloading("reloading");
    r = rehearsal_start(&master->rehearsal, &plan);
    if (r >= 0) {
        master->phase = MASTER_CHECKING;
        master->phase_usec = base_now_usec();
    } else {
        problems_add(&problems, plan.source->name, 0, "cannot be checked: %s", strerror(-r));
        refuse(master, &problems);
        problems_done(&problems);
    }
    master_look_again(master);
}

// When the check takes too long.
uint64_t reload_due(const struct master *master)
{
    uint64_t limit = master->config->reload_timeout_usec;

    return master->phase == MASTER_CHECKING && limit > 0 ? master->phase_usec + limit : USEC_NEVER;
}

bool reload_decide(struct master *master, uint64_t now_usec)
{
    if (master->phase == MASTER_CHECKING && master->rehearsal.ended)
        take(master);
    else if (now_usec >= reload_due(master))
        give_up(master);
    else
        return false;
    return true;
}

// Puts new workers in the place of old ones as they become ready, so that there are never fewer to
// take a connection than before, nor twice as many processes. True when nobody serves the
// configuration before to a new connection any more: the old workers without a session are gone.
static bool is_switched(struct pool *pool, uint64_t now)
{
    if (pool->n_old == 0)
        pool->floor = 0;
    if (pool->closing || pool->n_old + pool->n_draining == 0)
        return true;
    if (pool->n_old > 0)
        pool_drain_old(pool, now);
    return pool->n_old == 0 && pool->counts.leaving == 0;
}

// Then systemd is told, though some pool is not ready.
static uint64_t patience_end(const struct master *master)
{
    uint64_t trial_usec = 0;

    for (const struct pool *pool = master->pools.first; pool; pool = pool->next)
        if (pool->n_old > 0 && pool->service->accepts_itself &&
            pool->service->ready_usec > trial_usec)
            trial_usec = pool->service->ready_usec;
    return master->progress_usec + trial_usec + PATIENCE_USEC;
}

void reload_advance(struct master *master, uint64_t now_usec)
{
    unsigned n_old = 0;
    bool all = true;

    for (struct pool *pool = master->pools.first; pool; pool = pool->next) {
        all = is_switched(pool, now_usec) && all;
        n_old += pool->n_old;
    }
    if (n_old != master->n_old) // thousands take their time
        master->progress_usec = now_usec;
    master->n_old = n_old;
    if (master->phase != MASTER_RELOADING)
        return;
    if (all || (n_old == 0 && now_usec >= master->progress_usec + TOLD_USEC)) {
        master->n_reloads[RELOAD_DONE]++;
        finish(master, EVENT_RELOADED, "reloaded");
        master_say_reload_ended(master, true);
    } else if (now_usec >= patience_end(master)) {
        master->n_reloads[RELOAD_NOT_READY]++;
        finish(master, EVENT_RELOAD_FAILED,
               "reload: some old workers continue to serve, as the new ones are not ready");
        master_say_reload_ended(master, false);
    }
}
