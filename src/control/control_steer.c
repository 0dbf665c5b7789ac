// SPDX-License-Identifier: MIT
// A service has a pool for each of its listeners; what is ordered for it concerns all of them, and
// the answer has a row for each. A request that cannot be carried out for one changes none.

#include "control/control_steer.h"

#include <errno.h>
#include <string.h>

#include "base/base.h"
#include "control/control_object.h"
#include "control/control_page.h"
#include "master/master_steer.h"

#define WORKERS_MAX 30000 // as the settings have it

enum limit { LIMIT_MIN, LIMIT_SPARE, LIMIT_MAX, LIMITS };

static const char *const limit_names[LIMITS] = {"min", "spare", "max"};

struct wanted {
    bool is_given[LIMITS];
    uint32_t values[LIMITS];
};

static struct steerer who_asks(const struct control_connection *connection)
{
    return (struct steerer){.pid = connection->pid, .uid = connection->uid};
}

// Whether it may be done at all. Else the error is set.
static bool may(const struct control_connection *connection, const char *request,
                sd_bus_error *error)
{
    if (!control_may_steer(connection, request, error))
        return false;
    if (connection->control->master->phase == MASTER_STOPPING)
        (void)sd_bus_error_set(error, "tcpd.Error.Stopping", "tcpd is stopping");
    return !sd_bus_error_is_set(error);
}

// The name of a service that there is, or "". 0, or -errno with the error set.
static int read_service(const struct control_connection *connection, sd_bus_message *message,
                        const char **ret, sd_bus_error *error)
{
    int r = sd_bus_message_read(message, "s", ret);

    if (r < 0)
        return r;
    if ((*ret)[0] != '\0' && !steer_next(connection->control->master, *ret, NULL))
        return control_no_service(*ret, error);
    return 0;
}

// An answer that is an array of such rows, which stays open.
static int open_answer(sd_bus_message *message, const char *contents, sd_bus_message **ret)
{
    int r = sd_bus_message_new_method_return(message, ret);

    return r < 0 ? r : sd_bus_message_open_container(*ret, 'a', contents);
}

// Sends it, unless something has gone wrong before; and it is not ours any more.
static int send_answer(sd_bus_message *reply, int r)
{
    if (r >= 0)
        r = sd_bus_message_close_container(reply);
    if (r >= 0)
        r = sd_bus_send(NULL, reply, NULL);
    (void)sd_bus_message_unref(reply);
    return r;
}

// The names of its service and listener, as they begin a row.
static void append_names(sd_bus_message *reply, const struct pool *pool, const char *contents)
{
    struct control_names names;

    control_names_of(pool, &names);
    (void)sd_bus_message_open_container(reply, 'r', contents);
    (void)sd_bus_message_append(reply, "ss", names.service, names.listener);
}

// How long its oldest session lasts, as the workers say.
static uint64_t oldest_session(const struct master *master, const struct pool *pool)
{
    uint64_t now = base_now_usec(), oldest = now;

    for (const struct worker *worker = pool->workers; worker; worker = worker->next) {
        struct score score = scoreboard_read(&master->pools.board, worker->slot);

        if (score.state == WORKER_BUSY && !worker->accepts_itself && score.since_usec < oldest)
            oldest = score.since_usec;
    }
    return now - oldest;
}

int control_on_pause(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    struct control_connection *connection = userdata;
    struct master *master = connection->control->master;
    struct steerer who = who_asks(connection);
    sd_bus_message *reply = NULL;
    const char *service;
    int r;

    if (!may(connection, "requests a pause", error))
        return -EACCES;
    r = read_service(connection, message, &service, error);
    if (r < 0)
        return r;
    r = open_answer(message, "(ssuut)", &reply);
    for (struct pool *pool = NULL; r >= 0 && (pool = steer_next(master, service, pool)) != NULL;) {
        (void)pool_scan(&master->pools, pool);
        steer_pause(master, pool, &who);
        append_names(reply, pool, "ssuut");
        (void)sd_bus_message_append(reply, "uut", pool->counts.busy, pool_size(pool),
                                    oldest_session(master, pool));
        r = sd_bus_message_close_container(reply);
    }
    steer_carry_out(master);
    return send_answer(reply, r);
}

int control_on_resume(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    struct control_connection *connection = userdata;
    struct master *master = connection->control->master;
    struct steerer who = who_asks(connection);
    sd_bus_message *reply = NULL;
    const char *service;
    int r;

    if (!may(connection, "requests a resumption", error))
        return -EACCES;
    r = read_service(connection, message, &service, error);
    if (r < 0)
        return r;
    r = open_answer(message, "(ssut)", &reply);
    for (struct pool *pool = NULL; r >= 0 && (pool = steer_next(master, service, pool)) != NULL;) {
        uint64_t since = pool->orders.paused_usec;
        unsigned n_waiting = listener_waiting(pool->listener);

        if (!steer_resume(master, pool, &who))
            continue;
        append_names(reply, pool, "ssut");
        (void)sd_bus_message_append(reply, "ut", n_waiting, base_now_usec() - since);
        r = sd_bus_message_close_container(reply);
    }
    steer_carry_out(master);
    return send_answer(reply, r);
}

// ---- Resize

static int find_limit(const char *name)
{
    for (int i = 0; i < LIMITS; i++)
        if (strcmp(limit_names[i], name) == 0)
            return i;
    return -1;
}

// One entry, which was entered.
static int read_limit(sd_bus_message *message, struct wanted *wanted, sd_bus_error *error)
{
    const char *name, *contents;
    uint32_t value;
    char type;
    int limit, r = sd_bus_message_read(message, "s", &name);

    if (r < 0)
        return r;
    limit = find_limit(name);
    r = sd_bus_message_peek_type(message, &type, &contents);
    if (r < 0)
        return r;
    if (limit < 0 || strcmp(contents, "u") != 0)
        return sd_bus_error_set(error, "tcpd.Error.Usage",
                                "a service is resized by min, spare and max, each a number");
    r = sd_bus_message_read(message, "v", "u", &value);
    if (r < 0)
        return r;
    if (value > WORKERS_MAX || (value == 0 && limit != LIMIT_SPARE))
        return sd_bus_error_setf(error, "tcpd.Error.Usage", "%s = %u is not allowed; %d to %d",
                                 limit_names[limit], value, limit != LIMIT_SPARE, WORKERS_MAX);
    wanted->is_given[limit] = true;
    wanted->values[limit] = value;
    return 0;
}

// The dictionary. 0, or -errno with the error set.
static int read_limits(sd_bus_message *message, struct wanted *ret, sd_bus_error *error)
{
    int r = sd_bus_message_enter_container(message, 'a', "{sv}");

    while (r >= 0 && (r = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
        r = read_limit(message, ret, error);
        if (r >= 0)
            r = sd_bus_message_exit_container(message);
    }
    return r;
}

// What is not given stays, or gives way to a lower max.
static int merge_limits(const struct pool *pool, const struct wanted *wanted,
                        struct sizing_limits *ret, sd_bus_error *error)
{
    const struct service *service = pool->service;
    unsigned *limits[LIMITS] = {&ret->min, &ret->spare, &ret->max};

    *ret = pool_bounds(pool);
    if (service->leaves_clients &&
        (!service->accepts_itself || wanted->is_given[LIMIT_SPARE] || wanted->is_given[LIMIT_MAX]))
        return sd_bus_error_set(error, "tcpd.Error.NotPossible",
                                service->accepts_itself
                                    ? "its program takes clients by itself: there are min copies "
                                      "of it, no more and no fewer"
                                    : "its program is run once at a time");
    for (int i = 0; i < LIMITS; i++)
        if (wanted->is_given[i])
            *limits[i] = wanted->values[i];
    if (service->accepts_itself)
        ret->max = ret->min;
    for (int i = 0; i < LIMIT_MAX; i++) {
        if (*limits[i] <= ret->max)
            continue;
        if (wanted->is_given[i])
            return sd_bus_error_setf(error, "tcpd.Error.Usage", "%s = %u is above max = %u",
                                     limit_names[i], *limits[i], ret->max);
        *limits[i] = ret->max;
    }
    return 0;
}

static bool is_empty(const struct wanted *wanted)
{
    return !wanted->is_given[LIMIT_MIN] && !wanted->is_given[LIMIT_SPARE] &&
           !wanted->is_given[LIMIT_MAX];
}

static int resize(struct master *master, struct pool *pool, const struct wanted *wanted,
                  const struct steerer *who, sd_bus_message *reply)
{
    struct sizing_limits before = pool_bounds(pool), limits, after;

    if (merge_limits(pool, wanted, &limits, NULL) < 0)
        return -EINVAL; // which was seen before
    steer_resize(master, pool, is_empty(wanted) ? NULL : &limits, who);
    after = pool_bounds(pool);
    append_names(reply, pool, "ss(uuu)(uuu)");
    (void)sd_bus_message_append(reply, "(uuu)(uuu)", before.min, before.spare, before.max,
                                after.min, after.spare, after.max);
    return sd_bus_message_close_container(reply);
}

int control_on_resize(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    struct control_connection *connection = userdata;
    struct master *master = connection->control->master;
    struct steerer who = who_asks(connection);
    struct wanted wanted = {0};
    struct sizing_limits unused;
    sd_bus_message *reply = NULL;
    const char *service;
    int r;

    if (!may(connection, "requests another size", error))
        return -EACCES;
    r = read_service(connection, message, &service, error);
    if (r >= 0 && service[0] == '\0')
        return sd_bus_error_set(error, "tcpd.Error.Usage", "one service is resized at a time");
    if (r >= 0)
        r = read_limits(message, &wanted, error);
    for (struct pool *pool = NULL; r >= 0 && (pool = steer_next(master, service, pool)) != NULL;)
        r = merge_limits(pool, &wanted, &unused, error);
    if (r < 0)
        return r;
    r = open_answer(message, "(ss(uuu)(uuu))", &reply);
    for (struct pool *pool = NULL; r >= 0 && (pool = steer_next(master, service, pool)) != NULL;)
        r = resize(master, pool, &wanted, &who, reply);
    steer_carry_out(master);
    return send_answer(reply, r);
}

// ---- One worker

int control_on_drain_worker(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    struct control_connection *connection = userdata;
    struct master *master = connection->control->master;
    struct steerer who = who_asks(connection);
    struct worker *worker;
    sd_bus_message *reply = NULL;
    uint32_t pid;
    int r;

    if (!may(connection, "drains a worker", error))
        return -EACCES;
    r = sd_bus_message_read(message, "u", &pid);
    if (r < 0)
        return r;
    worker = pid <= INT32_MAX ? slots_find(master->pools.slots, (pid_t)pid) : NULL;
    if (!worker)
        return sd_bus_error_setf(error, "tcpd.Error.NotFound", "there is no worker %u", pid);
    steer_drain(master, worker, &who);
    r = open_answer(message, "(ssb)", &reply);
    if (r >= 0) {
        append_names(reply, worker->pool, "ssb");
        (void)sd_bus_message_append(
            reply, "b", scoreboard_state(&master->pools.board, worker->slot) == WORKER_BUSY);
        r = sd_bus_message_close_container(reply);
    }
    steer_carry_out(master);
    return send_answer(reply, r);
}
