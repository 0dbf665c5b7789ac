// SPDX-License-Identifier: MIT
#include "view/counters.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "view/fields.h"

static int read_list(sd_bus_message *reply, void *place, size_t place_size)
{
    struct counters_list *ret = place;
    int r = sd_bus_message_enter_container(reply, 'v', "a{st}");

    (void)place_size;
    if (r >= 0)
        r = sd_bus_message_enter_container(reply, 'a', "{st}");
    while (r >= 0) {
        const char *name;
        uint64_t number;

        r = sd_bus_message_read(reply, "{st}", &name, &number);
        if (r <= 0)
            break;
        if (ret->n < COUNTERS_NAMES) {
            ret->names[ret->n] = name;
            ret->numbers[ret->n++] = number;
        }
    }
    if (r >= 0)
        r = sd_bus_message_exit_container(reply);
    return r < 0 ? r : sd_bus_message_exit_container(reply);
}

// One with other bounds is another version's, and left out.
static int read_histogram(sd_bus_message *reply, void *place, size_t place_size)
{
    struct histogram *ret = place;
    const void *counts = NULL;
    size_t size = 0;
    uint64_t sum = 0;
    int r = sd_bus_message_enter_container(reply, 'v', "(att)");

    (void)place_size;
    if (r >= 0)
        r = sd_bus_message_enter_container(reply, 'r', "att");
    if (r >= 0)
        r = sd_bus_message_read_array(reply, 't', &counts, &size);
    if (r >= 0)
        r = sd_bus_message_read(reply, "t", &sum);
    if (r >= 0 && size == sizeof(ret->counts)) {
        memcpy(ret->counts, counts, size);
        ret->sum_usec = sum;
    }
    if (r >= 0)
        r = sd_bus_message_exit_container(reply);
    return r < 0 ? r : sd_bus_message_exit_container(reply);
}

static const struct field_type list_type = {"a{st}", read_list};
static const struct field_type histogram_type = {"(att)", read_histogram};

#define LIST(type, name)      FIELD(type, name, &list_type)
#define HISTOGRAM(type, name) FIELD(type, name, &histogram_type)

static const struct field daemon_members[] = {
    TEXT(counters_daemon, version),
    TEXT(counters_daemon, state),
    NUMBER(counters_daemon, pid),
    {"started", offsetof(struct counters_daemon, started_usec), sizeof(uint64_t), &field_number},
    NUMBER(counters_daemon, generation),
    NUMBER(counters_daemon, addresses_not_served),
    BOOLEAN(counters_daemon, reload_is_good),
    LIST(counters_daemon, reloads),
};

static const struct field pool_members[] = {
    TEXT(counters_pool, service),
    TEXT(counters_pool, listener),
    NUMBER(counters_pool, begun),
    NUMBER(counters_pool, received),
    NUMBER(counters_pool, sent),
    NUMBER(counters_pool, accept_errors),
    LIST(counters_pool, lost),
    NUMBER(counters_pool, slow),
    LIST(counters_pool, results),
    LIST(counters_pool, workers),
    LIST(counters_pool, refused),
    LIST(counters_pool, exits),
    HISTOGRAM(counters_pool, duration),
    HISTOGRAM(counters_pool, wait),
    HISTOGRAM(counters_pool, reply),
    NUMBER(counters_pool, min),
    NUMBER(counters_pool, spare),
    NUMBER(counters_pool, max),
    NUMBER(counters_pool, queue),
    NUMBER(counters_pool, queue_limit),
    NUMBER(counters_pool, full_usec),
    NUMBER(counters_pool, starts),
    NUMBER(counters_pool, fork_failures),
    BOOLEAN(counters_pool, is_throttled),
    BOOLEAN(counters_pool, is_paused),
    BOOLEAN(counters_pool, accepts_itself),
    BOOLEAN(counters_pool, is_resized),
};

int counters_read(sd_bus_message *reply, struct counters *ret)
{
    int r;

    *ret = (struct counters){.daemon = {.version = "", .state = ""}};
    r = fields_read(reply, daemon_members, ELEMENTS(daemon_members), &ret->daemon);
    if (r >= 0)
        r = sd_bus_message_enter_container(reply, 'a', "a{sv}");
    while (r > 0) {
        struct counters_pool *pools = reallocarray(ret->pools, ret->n + 1, sizeof(*pools));

        if (!pools) {
            r = -ENOMEM;
            break;
        }
        ret->pools = pools;
        pools[ret->n] = (struct counters_pool){.service = "", .listener = ""};
        r = fields_read(reply, pool_members, ELEMENTS(pool_members), &pools[ret->n]);
        ret->n += r > 0;
    }
    if (r >= 0)
        r = sd_bus_message_exit_container(reply);
    if (r < 0)
        counters_done(ret);
    return r < 0 ? r : 0;
}

void counters_done(struct counters *counters)
{
    free(counters->pools);
    *counters = (struct counters){.daemon = {.version = "", .state = ""}};
}

uint64_t counters_number(const struct counters_list *list, const char *name)
{
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->names[i], name) == 0)
            return list->numbers[i];
    return 0;
}
