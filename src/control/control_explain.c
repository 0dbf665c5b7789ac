// SPDX-License-Identifier: MIT
#include "control/control_explain.h"

#include <errno.h>
#include <string.h>

#include "access/explain.h"
#include "base/base.h"
#include "control/control_page.h"
#include "control/control_status.h"

static int append(sd_bus_message *reply, const char *name, const char *value)
{
    char text[4 * EXPLAIN_PLACE_MAX + 1];

    (void)control_make_text(value, text, sizeof(text));
    return sd_bus_message_append(reply, "{sv}", name, "s", text);
}

// Who is asked about.
struct client {
    struct sockaddr_storage address, proxy;
    bool has_proxy;
};

static int append_pool(sd_bus_message *reply, const struct pool *pool, const struct client *client)
{
    const struct explain_listener listener = {
        .service = pool->service->name,
        .address = pool->listener->address,
        .access = &pool->service->access,
        .is_unix = pool->listener->bound.any.sa_family == AF_UNIX,
        .is_plain = pool->listener->speaks == SPEAKS_PLAIN,
        .is_datagram = pool->listener->bound.type == SOCK_DGRAM,
        .sources = &pool->service->sources,
        .table = pool->counted.memory ? &pool->counted.table : NULL,
        .now_nsec = base_now_usec() * 1000,
    };
    struct explanation explanation;
    int r = sd_bus_message_open_container(reply, 'a', "{sv}");

    if (r < 0)
        return r;
    explain_make(&explanation, &listener, &client->address,
                 client->has_proxy ? &client->proxy : NULL);
    // What cannot be appended makes the message unusable; sending it fails then.
    (void)append(reply, "service", explanation.service);
    (void)append(reply, "listener", explanation.listener);
    (void)append(reply, "address", explanation.address);
    (void)sd_bus_message_append(reply, "{sv}", "served", "b", explanation.is_served);
    (void)append(reply, "reason", explanation.reason);
    (void)append(reply, "rule", explanation.rule);
    (void)append(reply, "place", explanation.place);
    (void)append(reply, "near", explanation.near);
    (void)append(reply, "near_place", explanation.near_place);
    (void)append(reply, "source", explanation.source);
    (void)append(reply, "connections", explanation.connections);
    (void)append(reply, "rate", explanation.rate);
    (void)append(reply, "penalty", explanation.penalty);
    (void)append(reply, "gets", explanation.gets);
    return sd_bus_message_close_container(reply);
}

// service: "" for all. -ENOENT: there is none of that name.
static int append_pools(sd_bus_message *reply, const struct master *master, const char *service,
                        const struct client *client)
{
    bool is_found = service[0] == '\0';
    int r = sd_bus_message_open_container(reply, 'a', "a{sv}");

    for (const struct pool *pool = master->pools.first; r >= 0 && pool; pool = pool->next) {
        if (pool->closing || (service[0] != '\0' && strcmp(pool->service->name, service) != 0))
            continue;
        is_found = true;
        r = append_pool(reply, pool, client);
    }
    if (r >= 0)
        r = sd_bus_message_close_container(reply);
    return r >= 0 && !is_found ? -ENOENT : r;
}

int control_on_explain(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    const struct control_connection *connection = userdata;
    const char *address, *service, *proxy;
    struct client client;
    sd_bus_message *reply = NULL;
    int r = sd_bus_message_read(message, "sss", &address, &service, &proxy);

    if (r < 0)
        return r;
    client.has_proxy = proxy[0] != '\0';
    if (!explain_parse(address, &client.address))
        return control_no_address(address, "", error);
    if (client.has_proxy && !explain_parse(proxy, &client.proxy))
        return control_no_address(proxy, "", error);
    r = sd_bus_message_new_method_return(message, &reply);
    if (r >= 0)
        r = append_pools(reply, connection->control->master, service, &client);
    if (r == -ENOENT)
        r = control_no_service(service, error);
    else if (r >= 0)
        r = sd_bus_send(NULL, reply, NULL);
    (void)sd_bus_message_unref(reply);
    return r;
}
