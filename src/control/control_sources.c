// SPDX-License-Identifier: MIT
#include "control/control_sources.h"

#include <string.h>

#include "access/explain.h"
#include "access/source_audit.h"
#include "base/base.h"
#include "control/control_page.h"
#include "control/control_status.h"

#define SHOWN         20 // sources of each listener
#define NSEC_PER_USEC UINT64_C(1000)

// Pools of a service, or of all of them (""), that count sources.
static struct pool *next_pool(const struct master *master, struct pool *pool, const char *service)
{
    for (pool = pool ? pool->next : master->pools.first; pool; pool = pool->next)
        if (pool->counted.memory && !pool->closing &&
            (service[0] == '\0' || strcmp(pool->service->name, service) == 0))
            return pool;
    return NULL;
}

static int append_text(sd_bus_message *reply, const char *name, const char *value)
{
    char text[ADDRESS_TEXT_MAX];

    (void)control_make_text(value, text, sizeof(text));
    return sd_bus_message_append(reply, "{sv}", name, "s", text);
}

static int append_source(sd_bus_message *reply, const struct pool *pool,
                         const struct source_entry *entry, uint64_t now_nsec)
{
    uint64_t penalty_usec = entry->ban_nsec > now_nsec
                                ? (entry->ban_nsec - now_nsec) / NSEC_PER_USEC
                                : 0;
    char source[SOURCE_TEXT_MAX] = ""; // what a worker has written over is nobody's
    int r = sd_bus_message_open_container(reply, 'a', "{sv}");

    if (r < 0)
        return r;
    if (entry->is_known)
        (void)source_format(&entry->key, source, sizeof(source));
    // What cannot be appended makes the message unusable; sending it fails then.
    (void)append_text(reply, "service", pool->service->name);
    (void)append_text(reply, "listener", pool->listener->address);
    (void)append_text(reply, "source", source);
    (void)sd_bus_message_append(reply, "{sv}", "connections", "u", entry->connections);
    (void)sd_bus_message_append(reply, "{sv}", "penalty_usec", "t", penalty_usec);
    (void)sd_bus_message_append(reply, "{sv}", "refused", "b",
                                penalty_usec > pool->service->sources.penalty_min_usec ||
                                    (pool->service->sources.connections > 0 &&
                                     entry->connections >= pool->service->sources.connections));
    return sd_bus_message_close_container(reply);
}

static int append_pool(sd_bus_message *reply, const struct pool *pool, uint64_t now_nsec)
{
    const struct source_limits limits = source_settings_limits(&pool->service->sources);
    const struct source_lengths lengths = source_settings_lengths(&pool->service->sources);
    struct source_entry entries[SHOWN];
    size_t n_used;
    size_t n = source_list(&pool->counted.table, &lengths, &limits, now_nsec, entries, SHOWN,
                           &n_used);
    int r = 0;

    for (size_t i = 0; r >= 0 && i < n; i++)
        r = append_source(reply, pool, &entries[i], now_nsec);
    return r;
}

static int no_counts(const char *service, sd_bus_error *error)
{
    static const char hint[] = "see source_connections in tcpd.conf(5)";
    char text[CONTROL_NAME_MAX];

    if (service[0] == '\0')
        return sd_bus_error_setf(error, "tcpd.Error.NotPossible",
                                 "no service counts its sources; %s", hint);
    (void)control_make_text(service, text, sizeof(text));
    return sd_bus_error_setf(error, "tcpd.Error.NotPossible",
                             "service \"%s\" does not count its sources; %s", text, hint);
}

int control_on_sources(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    const struct control_connection *connection = userdata;
    const struct master *master = connection->control->master;
    uint64_t now_nsec = base_now_usec() * NSEC_PER_USEC;
    sd_bus_message *reply = NULL;
    const char *service;
    int r = sd_bus_message_read(message, "s", &service);

    if (r < 0)
        return r;
    if (!control_has_service(master, service))
        return control_no_service(service, error);
    if (!next_pool(master, NULL, service))
        return no_counts(service, error);
    r = sd_bus_message_new_method_return(message, &reply);
    if (r >= 0)
        r = sd_bus_message_open_container(reply, 'a', "a{sv}");
    for (struct pool *pool = NULL; r >= 0 && (pool = next_pool(master, pool, service));)
        r = append_pool(reply, pool, now_nsec);
    if (r >= 0)
        r = sd_bus_message_close_container(reply);
    if (r >= 0)
        r = sd_bus_send(NULL, reply, NULL);
    (void)sd_bus_message_unref(reply);
    return r;
}

int control_on_pardon(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    const struct control_connection *connection = userdata;
    uint64_t now_nsec = base_now_usec() * NSEC_PER_USEC, n_pardoned = 0;
    const char *address, *service;
    struct sockaddr_storage client;
    int r = sd_bus_message_read(message, "ss", &address, &service);
    bool is_all = r >= 0 && strcmp(address, "all") == 0;

    if (r < 0)
        return r;
    if (!is_all && !explain_parse(address, &client))
        return control_no_address(address, "; or all", error);
    if (!control_has_service(connection->control->master, service))
        return control_no_service(service, error);
    for (struct pool *pool = NULL;
         (pool = next_pool(connection->control->master, pool, service));) {
        const struct source_settings *settings = &pool->service->sources;
        const struct source_limits limits = source_settings_limits(settings);
        struct source_key key;

        if (is_all ||
            source_settings_key(settings, (const struct sockaddr *)&client, UINT32_MAX, &key))
            n_pardoned += source_pardon(&pool->counted.table, is_all ? NULL : &key, &limits,
                                        now_nsec);
    }
    return sd_bus_reply_method_return(message, "t", n_pardoned);
}
