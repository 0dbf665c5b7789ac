// SPDX-License-Identifier: MIT
// The answer of GetStatus(): what the daemon and each pool are doing now, counted when asked.

#include "control/control_status.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "base/base.h"
#include "base/escape.h"
#include "control/control_nodes.h"
#include "master/master_status.h"
#include "pool/pool_totals.h"
#include "transport/tls_expiry.h"

size_t control_make_text(const char *text, char *ret, size_t size)
{
    size_t used = 0;

    if (size > 0)
        ret[0] = '\0';
    while (*text != '\0' && used + 1 < size) {
        size_t n = strcspn(text, "\\");

        if (n == 0) { // of an escape that is made already
            ret[used++] = *text++;
            ret[used] = '\0';
            continue;
        }
        (void)escape_bytes(text, n, ret + used, size - used);
        used += strlen(ret + used);
        text += n;
    }
    return used;
}

int control_append_text(sd_bus_message *reply, const char *name, const char *value)
{
    size_t size = CONTROL_TEXT_SIZE(value);
    cleanup_free char *text = malloc(size);

    if (!text)
        return -ENOMEM;
    (void)control_make_text(value, text, size);
    return sd_bus_message_append(reply, "{sv}", name, "s", text);
}

int control_append_number(sd_bus_message *reply, const char *name, unsigned value)
{
    return sd_bus_message_append(reply, "{sv}", name, "u", value);
}

int control_append_long(sd_bus_message *reply, const char *name, uint64_t value)
{
    return sd_bus_message_append(reply, "{sv}", name, "t", value);
}

// Of seconds since 1970: microseconds, as systemd has them. A time before 1970 is 0.
static int append_time(sd_bus_message *reply, const char *name, int64_t sec)
{
    return control_append_long(reply, name, sec > 0 ? (uint64_t)sec * USEC_PER_SEC : 0);
}

const char *control_phase_name(enum master_phase phase)
{
    static const char *const names[] = {
        [MASTER_STARTING] = "starting",  [MASTER_RUNNING] = "running",
        [MASTER_CHECKING] = "reloading", [MASTER_RELOADING] = "reloading",
        [MASTER_STOPPING] = "stopping",
    };

    return names[phase];
}

static int append_daemon(const struct control *control, sd_bus_message *reply)
{
    struct master *master = control->master;
    unsigned n_workers = 0, n_idle = 0, n_busy = 0, n_draining = 0;

    for (const struct pool *pool = master->pools.first; pool; pool = pool->next) {
        n_workers += pool_size(pool);
        n_draining += pool->n_draining;
        n_busy += pool->counts.busy;
        n_idle += pool->counts.idle;
    }
    // What cannot be appended makes the message unusable; sending it fails then.
    (void)control_append_text(reply, "version", TCPD_VERSION);
    (void)control_append_text(reply, "state", control_phase_name(master->phase));
    (void)control_append_number(reply, "pid", (unsigned)getpid());
    (void)control_append_long(reply, "started", control->started_realtime_usec);
    (void)control_append_long(reply, "uptime_usec", base_now_usec() - control->started_usec);
    (void)control_append_number(reply, "generation", master->generation);
    (void)control_append_text(reply, "status", master_status(master));
    (void)control_append_text(reply, "reload_problem", master->reload_problem);
    (void)control_append_number(reply, "workers", n_workers);
    (void)control_append_number(reply, "idle", n_idle);
    (void)control_append_number(reply, "busy", n_busy);
    (void)control_append_number(reply, "draining", n_draining);
    (void)control_append_number(reply, "services", (unsigned)master->set.n_services);
    (void)control_append_number(reply, "services_left_out", (unsigned)master->config->n_left_out);
    return control_append_number(reply, "addresses_not_served", (unsigned)master->set.n_unserved);
}

static uint64_t count_sessions(const struct score_counts *sums)
{
    uint64_t n = 0;

    for (int i = 0; i < SCORE_RESULTS; i++)
        n += sums->results[i];
    return n;
}

// By reason, "refused_rule", and all together.
static void append_refused(sd_bus_message *reply, const struct score_counts *sums)
{
    uint64_t n = 0;

    for (int i = REFUSAL_NONE + 1; i < REFUSALS; i++) {
        char name[32];

        (void)snprintf(name, sizeof(name), "refused_%s", refusal_names[i]);
        (void)control_append_long(reply, name, sums->refused[i]);
        n += i < REFUSALS_TRUE ? sums->refused[i] : 0;
    }
    (void)control_append_long(reply, "refused", n);
    (void)control_append_long(reply, "proxy_local", sums->own_headers);
}

// What became of datagrams: {"source_port": 3, ...}, and what the kernel had no room for.
static int append_datagrams(const struct pools *pools, const struct pool *pool,
                            sd_bus_message *reply)
{
    const struct datagram_losses *losses = &scoreboard_hint(&pools->board, pool->index)->datagrams;

    if (pool->listener->bound.type != SOCK_DGRAM)
        return 0;
    (void)control_append_number(reply, "dropped", listener_dropped(pool->listener));
    (void)sd_bus_message_open_container(reply, 'e', "sv");
    (void)sd_bus_message_append(reply, "s", "unanswered");
    (void)sd_bus_message_open_container(reply, 'v', "a{sv}");
    (void)sd_bus_message_open_container(reply, 'a', "{sv}");
    for (int i = DATAGRAM_GOOD + 1; i < DATAGRAM_LOSSES; i++)
        (void)control_append_long(reply, datagram_loss_names[i],
                                  datagram_losses_read(losses, (enum datagram_loss)i));
    (void)sd_bus_message_close_container(reply);
    (void)sd_bus_message_close_container(reply);
    return sd_bus_message_close_container(reply);
}

static uint64_t paused_usec(const struct pool *pool)
{
    return pool_is_paused(pool) ? base_now_usec() - pool->orders.paused_usec : 0;
}

static uint64_t unaccepted_usec(const struct pool *pool)
{
    return pool->unaccepted_usec != 0 ? base_now_usec() - pool->unaccepted_usec : 0;
}

static int append_pool(const struct master *master, struct pool *pool, sd_bus_message *reply)
{
    const struct pools *pools = &master->pools;
    struct sizing_limits limits = pool_limits_shown(pool);
    const struct listener *listener = pool->listener;
    bool activated = listener->origin == LISTENER_ACTIVATED;
    uint64_t wait = throttle_wait(&pool->deaths, base_now_usec());
    const struct score_counts *sums = pool_totals_sum(pools, pool);
    int r = sd_bus_message_open_container(reply, 'a', "{sv}");

    if (r < 0)
        return r;
    (void)control_append_text(reply, "service", pool->service->name);
    (void)control_append_text(reply, "listener", listener->address);
    (void)control_append_text(reply, "speaks", address_speaks_names[listener->speaks]);
    (void)control_append_text(reply, "type", address_type_name(listener->bound.type));
    (void)control_append_text(reply, "origin", activated ? "handed over" : "bound");
    (void)control_append_number(reply, "min", limits.min);
    (void)control_append_number(reply, "spare", limits.spare);
    (void)control_append_number(reply, "max", limits.max);
    (void)control_append_number(reply, "workers", pool_size(pool));
    (void)control_append_number(reply, "idle", pool->counts.idle);
    (void)control_append_number(reply, "busy", pool->counts.busy);
    (void)control_append_number(reply, "draining", pool->n_draining);
    (void)control_append_number(reply, "queue", listener_waiting(listener));
    (void)control_append_number(reply, "queue_limit", listener->effective_backlog);
    (void)control_append_long(reply, "unaccepted_usec", unaccepted_usec(pool));
    (void)control_append_number(reply, "backlog", listener->backlog);
    (void)sd_bus_message_append(reply, "{sv}", "full", "b", pool_is_exhausted(pool));
    (void)control_append_long(reply, "sessions", count_sessions(sums));
    append_refused(reply, sums);
    (void)control_append_number(reply, "old", pool->n_old);
    (void)control_append_number(reply, "resting", pool->rest.n);
    (void)sd_bus_message_append(reply, "{sv}", "paused", "b", pool_is_paused(pool));
    (void)control_append_long(reply, "paused_usec", paused_usec(pool));
    (void)sd_bus_message_append(reply, "{sv}", "resized", "b", pool->orders.is_resized);
    (void)control_append_long(reply, "throttled_ms", wait / USEC_PER_MSEC);
    if (wait > 0)
        (void)control_append_text(reply, "last_death", pool->last_death);
    (void)control_append_long(reply, "forbidden_calls", pool->n_forbidden);
    (void)control_append_node(master, pool, reply);
    (void)append_datagrams(pools, pool, reply);
    return sd_bus_message_close_container(reply);
}

// One of those that are not served: a service's address, or what is left out whole.
static int append_lack(sd_bus_message *reply, const char *service, const char *address,
                       const char *why, bool is_left_out)
{
    int r = sd_bus_message_open_container(reply, 'a', "{sv}");

    if (r < 0)
        return r;
    (void)control_append_text(reply, "service", service);
    (void)control_append_text(reply, "listener", address);
    (void)control_append_text(reply, "reason", why);
    (void)sd_bus_message_append(reply, "{sv}", "left_out", "b", is_left_out);
    return sd_bus_message_close_container(reply);
}

// A service that is left out: a row for each of its addresses, or one without.
static void append_left_out(sd_bus_message *reply, const struct service *service)
{
    const char *why = service->left_out.n > 0 ? service->left_out.texts[0] : "";

    for (size_t i = 0; i < service->listen.n; i++)
        (void)append_lack(reply, service->name, service->listen.items[i].text, why, true);
    if (service->listen.n == 0)
        (void)append_lack(reply, service->name, "", why, true);
}

static int append_not_served(const struct master *master, sd_bus_message *reply)
{
    const struct config *config = master->config;
    const struct unserved *lacks = master->set.unserved;
    int r = sd_bus_message_open_container(reply, 'a', "a{sv}");

    if (r < 0)
        return r;
    for (size_t i = 0; i < master->set.n_unserved; i++)
        (void)append_lack(reply, lacks[i].service, lacks[i].address, lacks[i].why, false);
    for (size_t i = 0; i < config->n_left_out; i++)
        append_left_out(reply, &config->services[config->n_services + i]);
    return sd_bus_message_close_container(reply);
}

static int append_certificate(const struct certificate *certificate, sd_bus_message *reply)
{
    int r = sd_bus_message_open_container(reply, 'a', "{sv}");

    if (r < 0)
        return r;
    (void)control_append_text(reply, "certificate", certificate->name);
    (void)control_append_text(reply, "names", certificate->names);
    (void)control_append_text(reply, "keys", certificate->keys);
    (void)append_time(reply, "since", certificate->since_sec);
    (void)append_time(reply, "until", certificate->until_sec);
    (void)sd_bus_message_append(reply, "{sv}", "is_near", "b",
                                tls_expiry_is_near(certificate, time(NULL)));
    return sd_bus_message_close_container(reply);
}

// Those that somebody shows, and whose files were therefore read.
static int append_certificates(const struct config *config, sd_bus_message *reply)
{
    int r = sd_bus_message_open_container(reply, 'a', "a{sv}");

    if (r < 0)
        return r;
    for (size_t i = 0; i < config->n_certificates; i++)
        if (config->certificates[i].names)
            (void)append_certificate(&config->certificates[i], reply);
    return sd_bus_message_close_container(reply);
}

int control_append_status(const struct control *control, sd_bus_message *reply)
{
    const struct pools *pools = &control->master->pools;
    int r;

    for (struct pool *pool = pools->first; pool; pool = pool->next)
        (void)pool_scan(pools, pool);
    r = sd_bus_message_open_container(reply, 'a', "{sv}");

    if (r >= 0)
        r = append_daemon(control, reply);
    if (r >= 0)
        r = sd_bus_message_close_container(reply);
    if (r >= 0)
        r = sd_bus_message_open_container(reply, 'a', "a{sv}");
    for (struct pool *pool = pools->first; r >= 0 && pool; pool = pool->next)
        r = append_pool(control->master, pool, reply);
    if (r >= 0)
        r = sd_bus_message_close_container(reply);
    if (r >= 0)
        r = append_not_served(control->master, reply);
    return r < 0 ? r : append_certificates(control->master->config, reply);
}
