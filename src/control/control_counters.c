// SPDX-License-Identifier: MIT
#include "control/control_counters.h"

#include "base/base.h"
#include "control/control_status.h"
#include "pool/pool_totals.h"
#include "session/session.h"

// A dictionary of numbers by names, a{st}, as a member.
static int append_named(sd_bus_message *reply, const char *name, const char *const *names,
                        const uint64_t *numbers, size_t n)
{
    (void)sd_bus_message_open_container(reply, 'e', "sv");
    (void)sd_bus_message_append(reply, "s", name);
    (void)sd_bus_message_open_container(reply, 'v', "a{st}");
    (void)sd_bus_message_open_container(reply, 'a', "{st}");
    for (size_t i = 0; i < n; i++)
        (void)sd_bus_message_append(reply, "{st}", names[i], numbers[i]);
    (void)sd_bus_message_close_container(reply);
    (void)sd_bus_message_close_container(reply);
    return sd_bus_message_close_container(reply);
}

// The counts between the bounds, of which the last has none, and the sum in microseconds.
static int append_histogram(sd_bus_message *reply, const char *name,
                            const struct histogram *histogram)
{
    (void)sd_bus_message_open_container(reply, 'e', "sv");
    (void)sd_bus_message_append(reply, "s", name);
    (void)sd_bus_message_open_container(reply, 'v', "(att)");
    (void)sd_bus_message_open_container(reply, 'r', "att");
    (void)sd_bus_message_append_array(reply, 't', histogram->counts, sizeof(histogram->counts));
    (void)sd_bus_message_append(reply, "t", histogram->sum_usec);
    (void)sd_bus_message_close_container(reply);
    (void)sd_bus_message_close_container(reply);
    return sd_bus_message_close_container(reply);
}

static int append_daemon(const struct control *control, sd_bus_message *reply)
{
    static const char *const outcomes[RELOAD_OUTCOMES] = {
        [RELOAD_DONE] = "done", [RELOAD_REFUSED] = "refused", [RELOAD_NOT_READY] = "not_ready"};
    const struct master *master = control->master;

    (void)control_append_text(reply, "version", TCPD_VERSION);
    (void)control_append_text(reply, "state", control_phase_name(master->phase));
    (void)control_append_number(reply, "pid", (unsigned)getpid());
    (void)control_append_long(reply, "started", control->started_realtime_usec);
    (void)control_append_number(reply, "generation", master->generation);
    (void)sd_bus_message_append(reply, "{sv}", "reload_is_good", "b",
                                master->reload_problem[0] == '\0');
    (void)control_append_number(reply, "addresses_not_served", (unsigned)master->set.n_unserved);
    return append_named(reply, "reloads", outcomes, master->n_reloads, RELOAD_OUTCOMES);
}

static uint64_t full_usec(const struct pool *pool)
{
    uint64_t since = pool->totals.full_since_usec;

    return pool->totals.full_usec + (since != 0 ? base_now_usec() - since : 0);
}

static void append_workers(const struct pool *pool, sd_bus_message *reply)
{
    static const char *const states[] = {"idle", "busy", "parked", "starting", "draining"};
    const struct pool_counts *counts = &pool->counts;
    unsigned accepting = counts->waiting + counts->parked;
    const uint64_t numbers[] = {counts->waiting, counts->busy, counts->parked,
                                counts->idle > accepting ? counts->idle - accepting : 0,
                                pool->n_draining};

    (void)append_named(reply, "workers", states, numbers, ELEMENTS(states));
}

static int append_pool(const struct pools *pools, struct pool *pool, sd_bus_message *reply)
{
    struct sizing_limits limits = pool_limits_shown(pool);
    const struct score_counts *sums = pool_totals_sum(pools, pool);
    int r = sd_bus_message_open_container(reply, 'a', "{sv}");

    if (r < 0)
        return r;
    (void)control_append_text(reply, "service", pool->service->name);
    (void)control_append_text(reply, "listener", pool->listener->address);
    (void)control_append_long(reply, "begun", sums->begun);
    (void)append_named(reply, "results", session_result_names, sums->results, SESSION_RESULTS);
    (void)control_append_long(reply, "slow", sums->slow);
    (void)append_named(reply, "refused", refusal_names + 1, sums->refused + 1, REFUSALS - 1);
    (void)control_append_long(reply, "received", sums->received);
    (void)control_append_long(reply, "sent", sums->sent);
    (void)control_append_long(reply, "accept_errors", sums->accept_errors);
    (void)append_histogram(reply, "duration", &sums->duration);
    (void)append_histogram(reply, "wait", &sums->wait);
    (void)append_histogram(reply, "reply", &sums->reply);
    append_workers(pool, reply);
    (void)control_append_number(reply, "min", limits.min);
    (void)control_append_number(reply, "spare", limits.spare);
    (void)control_append_number(reply, "max", limits.max);
    (void)control_append_number(reply, "queue", listener_waiting(pool->listener));
    (void)control_append_number(reply, "queue_limit", pool->listener->effective_backlog);
    (void)control_append_long(reply, "full_usec", full_usec(pool));
    (void)sd_bus_message_append(reply, "{sv}", "is_throttled", "b",
                                throttle_wait(&pool->deaths, base_now_usec()) > 0);
    (void)sd_bus_message_append(reply, "{sv}", "is_paused", "b", pool_is_paused(pool));
    (void)sd_bus_message_append(reply, "{sv}", "accepts_itself", "b",
                                pool->service->accepts_itself);
    (void)sd_bus_message_append(reply, "{sv}", "is_resized", "b", pool->orders.is_resized);
    (void)control_append_long(reply, "starts", pool->totals.starts);
    (void)control_append_long(reply, "fork_failures", pool->totals.fork_failures);
    (void)append_named(reply, "exits", pool_exit_names, pool->totals.exits, POOL_EXITS);
    (void)append_named(reply, "lost", log_loss_names, pool->totals.lost, LOG_LOSSES);
    return sd_bus_message_close_container(reply);
}

int control_append_counters(const struct control *control, sd_bus_message *reply)
{
    struct pools *pools = &control->master->pools;
    int r = sd_bus_message_open_container(reply, 'a', "{sv}");

    if (r >= 0)
        r = append_daemon(control, reply);
    if (r >= 0)
        r = sd_bus_message_close_container(reply);
    if (r >= 0)
        r = sd_bus_message_open_container(reply, 'a', "a{sv}");
    for (struct pool *pool = pools->first; r >= 0 && pool; pool = pool->next) {
        (void)pool_scan(pools, pool);
        r = append_pool(pools, pool, reply);
    }
    return r < 0 ? r : sd_bus_message_close_container(reply);
}
