// SPDX-License-Identifier: MIT
// What administrators order for services is for the agents to tell; see master/master_nodes.h.

#include "control/control_nodes.h"

#include <errno.h>
#include <time.h>

#include "base/base.h"
#include "control/control_object.h"
#include "master/master_nodes.h"

static void free_list(char **list)
{
    for (char **item = list; item && *item; item++)
        free(*item);
    free(list);
}

static int refuse(const struct control *control, sd_bus_error *error)
{
    if (control->master->phase == MASTER_STOPPING)
        return sd_bus_error_set(error, "tcpd.Error.Stopping", "tcpd is stopping");
    return 0;
}

// order: without whose and when it is; NULL: none any more. services is freed.
static int order(sd_bus_message *message, struct control_connection *connection, char **services,
                 struct node_order *order, sd_bus_error *error)
{
    char *nobody[] = {NULL};
    const struct nodes_request request = {
        .order = order, .uid = connection->uid, .services = services ? services : nobody};
    cleanup_free char *wrong = NULL;

    if (order) {
        order->uid = connection->uid;
        order->since_sec = (uint64_t)time(NULL);
    }
    wrong = nodes_order(connection->control->master, &request);
    free_list(services);
    if (wrong)
        return sd_bus_error_set(error, "tcpd.Error.NotDone", wrong);
    return sd_bus_reply_method_return(message, "");
}

int control_on_drain(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    struct control_connection *connection = userdata;
    struct node_order drain = {.kind = NODE_DRAIN};
    char **services = NULL;
    int r;

    if (!control_may_steer(connection, "requests a drain", error))
        return -EACCES;
    r = refuse(connection->control, error);
    if (r >= 0)
        r = sd_bus_message_read_strv(message, &services);
    return r < 0 ? r : order(message, connection, services, &drain, error);
}

int control_on_ready(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    struct control_connection *connection = userdata;
    char **services = NULL;
    int r;

    if (!control_may_steer(connection, "says that services are ready", error))
        return -EACCES;
    r = refuse(connection->control, error);
    if (r >= 0)
        r = sd_bus_message_read_strv(message, &services);
    return r < 0 ? r : order(message, connection, services, NULL, error);
}

int control_on_maintain(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    struct control_connection *connection = userdata;
    struct node_order maintain = {.kind = NODE_MAINTAIN};
    char **services = NULL;
    const char *reason;
    int r;

    if (!control_may_steer(connection, "requests maintenance", error))
        return -EACCES;
    r = refuse(connection->control, error);
    if (r >= 0)
        r = sd_bus_message_read_strv(message, &services);
    if (r >= 0)
        r = sd_bus_message_read(message, "s", &reason);
    if (r >= 0 && !node_reason_is_good(reason))
        r = sd_bus_error_set(error, "tcpd.Error.NotDone",
                             "a reason is 1 to 80 printable ASCII characters, with no space at "
                             "either end");
    if (r < 0) {
        free_list(services);
        return r;
    }
    (void)snprintf(maintain.reason, sizeof(maintain.reason), "%s", reason);
    return order(message, connection, services, &maintain, error);
}

int control_on_sessions(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    struct control_connection *connection = userdata;
    char *nobody[] = {NULL}, **services = NULL;
    uint64_t n, usec;
    int r = sd_bus_message_read_strv(message, &services);

    (void)error;
    if (r < 0)
        return r;
    n = nodes_count_sessions(connection->control->master, services ? services : nobody, &usec);
    free_list(services);
    return sd_bus_reply_method_return(message, "tt", n, usec);
}

int control_append_node(const struct master *master, const struct pool *pool, sd_bus_message *reply)
{
    const struct node_order *its = node_orders_find(&master->nodes.orders, pool->service->name);
    char text[NODE_ORDER_TEXT], user[32];

    if (!its)
        return sd_bus_message_append(reply, "{sv}", "node", "s", "ready");
    (void)sd_bus_message_append(reply, "{sv}", "node", "s",
                                its->kind == NODE_DRAIN ? "drain" : "maint");
    (void)sd_bus_message_append(reply, "{sv}", "node_by", "s",
                                node_order_user(its, user, sizeof(user)));
    (void)sd_bus_message_append(reply, "{sv}", "node_since", "t", its->since_sec * USEC_PER_SEC);
    (void)sd_bus_message_append(reply, "{sv}", "node_reason", "s", its->reason);
    return sd_bus_message_append(reply, "{sv}", "node_text", "s",
                                 nodes_describe(its, text, sizeof(text)));
}
