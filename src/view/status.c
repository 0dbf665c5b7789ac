// SPDX-License-Identifier: MIT
#include "view/status.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "view/fields.h"
#include "view/json.h"

static const struct field daemon_fields[] = {
    TEXT(status_daemon, version), TEXT(status_daemon, state), NUMBER(status_daemon, uptime_usec),
    NUMBER(status_daemon, generation)};

static const struct field pool_fields[] = {TEXT(status_pool, service), TEXT(status_pool, listener),
                                           TEXT(status_pool, node), BOOLEAN(status_pool, paused)};

static const struct status nothing = {.daemon = {.version = "", .state = ""}};
static const struct status_pool no_pool = {"", "", "", false};

int status_read(sd_bus_message *reply, struct status *ret)
{
    struct field_list pools = {.size = sizeof(no_pool),
                               .initial = &no_pool,
                               .fields = pool_fields,
                               .n_fields = ELEMENTS(pool_fields)};
    int r;

    *ret = nothing;
    r = fields_read(reply, daemon_fields, ELEMENTS(daemon_fields), &ret->daemon);
    if (r >= 0)
        r = fields_read_list(reply, &pools);
    ret->pools = (void *)pools.items;
    ret->n_pools = pools.n;
    if (r < 0)
        status_done(ret);
    return r < 0 ? r : 0;
}

void status_done(struct status *status)
{
    free(status->pools);
    *status = nothing;
}

bool status_is_healthy(const struct status *status,
                       bool (*tells)(const char *service, const void *data), const void *data)
{
    const char *state = status->daemon.state;
    size_t n = 0, n_held = 0;

    if (strcmp(state, "running") != 0 && strcmp(state, "reloading") != 0)
        return false;
    for (size_t i = 0; i < status->n_pools; i++) {
        const struct status_pool *pool = &status->pools[i];

        if (tells(pool->service, data))
            continue;
        n++;
        n_held += pool->paused || strcmp(pool->node, "drain") == 0 ||
                  strcmp(pool->node, "maint") == 0;
    }
    return n == 0 || n_held < n;
}

int status_print_json(FILE *stream, sd_bus_message *reply)
{
    static const char *const newer[] = {"not_served", "certificates"};
    int r;

    (void)fputs("{\"schema\":1,\"daemon\":", stream);
    r = json_print_value(stream, reply);
    (void)fputs(",\"pools\":", stream);
    if (r > 0)
        r = json_print_value(stream, reply);
    if (r == 0)
        return -EBADMSG;
    for (size_t i = 0; r >= 0 && i < ELEMENTS(newer); i++) {
        (void)fprintf(stream, ",\"%s\":", newer[i]);
        if (r > 0)
            r = json_print_value(stream, reply);
        if (r == 0) // an older tcpd does not say
            (void)fputs("[]", stream);
    }
    (void)fputs("}\n", stream);
    return r < 0 ? r : 0;
}
