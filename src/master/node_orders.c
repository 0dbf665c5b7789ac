// SPDX-License-Identifier: MIT
// Orders are few and by hand; each changes the text that the service manager keeps.

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/base.h"
#include "config/handler.h"
#include "log/log.h"
#include "master/master_nodes.h"
#include "master/master_status.h"
#include "master/node_store.h"

#define NAMES_MAX 400

bool nodes_knows(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->n_services + config->n_left_out; i++) {
        const struct service *service = &config->services[i];

        if (strcmp(service->name, name) == 0)
            return !service->handler || !service->handler->is_agent;
    }
    return false;
}

static size_t count_known(const struct config *config)
{
    size_t n = 0;

    for (size_t i = 0; i < config->n_services + config->n_left_out; i++)
        n += nodes_knows(config, config->services[i].name);
    return n;
}

// Of today the time alone. (strftime() may look for the time zone's file, which waits for a disk.)
static void format_time(uint64_t sec, char *text, size_t size)
{
    const time_t since = (time_t)sec, now = time(NULL);
    struct tm then = {0}, today = {0};
    size_t used = 0;

    (void)localtime_r(&since, &then);
    (void)localtime_r(&now, &today);
    if (then.tm_yday != today.tm_yday || then.tm_year != today.tm_year)
        used = (size_t)snprintf(text, size, "%04d-%02d-%02d ", then.tm_year + 1900, then.tm_mon + 1,
                                then.tm_mday);
    (void)snprintf(text + used, size - used, "%02d:%02d", then.tm_hour, then.tm_min);
}

const char *nodes_describe(const struct node_order *order, char *text, size_t size)
{
    char user[32], when[64];

    format_time(order->since_sec, when, sizeof(when));
    (void)snprintf(text, size, "%s by %s since %s%s%s",
                   order->kind == NODE_DRAIN ? "drained" : "in maintenance",
                   node_order_user(order, user, sizeof(user)), when, order->reason[0] ? ": " : "",
                   order->reason);
    return text;
}

void nodes_append_status(const struct master *master, char *text, size_t size)
{
    const struct node_orders *orders = &master->nodes.orders;
    const struct node_order *first = orders->items;
    size_t used = strlen(text);
    char how[NODE_ORDER_TEXT];
    bool is_one = true; // order, for several services

    for (size_t i = 1; i < orders->n; i++)
        is_one = is_one && orders->items[i].kind == first->kind &&
                 orders->items[i].since_sec == first->since_sec;
    if (orders->n == 0)
        return;
    if (!is_one)
        (void)snprintf(text + used, size - used, "; %zu services drained or in maintenance",
                       orders->n);
    else if (orders->n == 1)
        (void)snprintf(text + used, size - used, "; %s %s", first->service,
                       nodes_describe(first, how, sizeof(how)));
    else
        (void)snprintf(text + used, size - used, "; %s%zu services %s",
                       orders->n == count_known(master->config) ? "all " : "", orders->n,
                       nodes_describe(first, how, sizeof(how)));
}

// The names of those that the request is for, and are changed by it.
struct names {
    char text[NAMES_MAX];
    const char *only;
    size_t n, n_unnamed;
};

static void add_name(struct names *names, const char *name)
{
    size_t used = strlen(names->text);

    names->only = name;
    if (used + strlen(name) + 2 < sizeof(names->text))
        (void)snprintf(names->text + used, sizeof(names->text) - used, "%s%s",
                       names->n > 0 ? ", " : "", name);
    else
        names->n_unnamed++;
    names->n++;
}

static void carry_out(struct master *master, const struct nodes_request *request, const char *name,
                      struct names *names)
{
    struct node_orders *orders = &master->nodes.orders;
    const struct node_order *before = node_orders_find(orders, name);
    struct node_order order;

    if (before && request->order && before->kind == request->order->kind &&
        strcmp(before->reason, request->order->reason) == 0)
        return; // it stays, and its time
    if (!request->order) {
        if (node_orders_drop(orders, name))
            add_name(names, name);
        return;
    }
    order = *request->order;
    (void)snprintf(order.service, sizeof(order.service), "%s", name);
    if (node_orders_set(orders, &order))
        add_name(names, name);
}

static void tell(const struct nodes_request *request, const struct names *names)
{
    const struct node_order whose = {.uid = request->uid};
    const struct node_order *order = request->order;
    const char *state = !order ? "ready" : order->kind == NODE_DRAIN ? "drain" : "maint";
    const char *how = !order                      ? "made ready"
                      : order->kind == NODE_DRAIN ? "drained"
                                                  : "put into maintenance";
    struct log_field fields[3];
    char user[32], more[32] = "";

    log_field_set(&fields[0], "TCPD_NODE", state);
    log_field_set(&fields[1], "TCPD_REASON", order ? order->reason : "");
    log_field_set(&fields[2], "TCPD_SERVICE", names->only);
    if (names->n_unnamed > 0)
        (void)snprintf(more, sizeof(more), " and %zu more", names->n_unnamed);
    log_record(LOG_NOTICE, EVENT_NODE_ORDER, fields, names->n == 1 ? 3 : 2, "%s%s: %s by %s%s%s",
               names->text, more, how, node_order_user(&whose, user, sizeof(user)),
               order && order->reason[0] ? ": " : "", order ? order->reason : "");
}

static char *refuse(const char *before, const char *name, const char *behind)
{
    char *text = NULL;

    return asprintf(&text, "%s%s%s", before, name, behind) < 0 ? strdup("out of memory") : text;
}

char *nodes_order(struct master *master, const struct nodes_request *request)
{
    const struct config *config = master->config;
    struct names names = {0};

    if (request->order && !master->nodes.has_agent)
        return refuse("nobody would tell load balancers of it: there is no service with handler = ",
                      "agent", "");
    for (char **name = request->services; *name; name++)
        if (!nodes_knows(config, *name))
            return refuse("there is no service ", *name, " that agents could tell of");
    for (char **name = request->services; *name; name++)
        carry_out(master, request, *name, &names);
    for (size_t i = 0; !*request->services && i < config->n_services + config->n_left_out; i++)
        if (nodes_knows(config, config->services[i].name))
            carry_out(master, request, config->services[i].name, &names);
    if (names.n == 0)
        return NULL;
    tell(request, &names);
    node_store_keep(&master->nodes.orders);
    master->nodes.published_usec = 0;
    nodes_publish(master, base_now_usec());
    (void)master_status(master);
    return NULL;
}

static bool is_named(char **services, const char *name)
{
    for (char **service = services; *service; service++)
        if (strcmp(*service, name) == 0)
            return true;
    return !*services;
}

uint64_t nodes_count_sessions(struct master *master, char **services, uint64_t *ret_usec)
{
    const struct node_orders *orders = &master->nodes.orders;
    uint64_t delay_sec = (master->config->drain_delay_usec + USEC_PER_SEC - 1) / USEC_PER_SEC;
    uint64_t now_sec = (uint64_t)time(NULL), n = 0;

    *ret_usec = 0;
    for (struct pool *pool = master->pools.first; pool; pool = pool->next) {
        if (pool->service->handler->is_agent || pool->service->accepts_itself ||
            !is_named(services, pool->service->name))
            continue;
        (void)pool_scan(&master->pools, pool);
        n += pool->counts.busy + listener_queued(pool->listener);
    }
    for (size_t i = 0; i < orders->n; i++) {
        uint64_t age_sec = now_sec - orders->items[i].since_sec;

        // Within the same second it was just given; a clock that was set back tells nothing.
        if (delay_sec > 0 && age_sec <= delay_sec && is_named(services, orders->items[i].service))
            *ret_usec = (delay_sec + 1 - age_sec) * USEC_PER_SEC;
    }
    return n;
}
