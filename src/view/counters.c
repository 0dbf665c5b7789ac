// SPDX-License-Identifier: MIT
#include "view/counters.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

enum kind { TEXT, NUMBER, BOOLEAN, LIST, HISTOGRAM };

// A member of a dictionary, and where it goes.
struct member {
    const char *name;
    enum kind kind;
    size_t offset;
};

#define MEMBER(type, name, kind)                 \
    {                                            \
#name, kind, offsetof(struct type, name) \
    }

static const struct member daemon_members[] = {
    MEMBER(counters_daemon, version, TEXT),
    MEMBER(counters_daemon, state, TEXT),
    MEMBER(counters_daemon, pid, NUMBER),
    {"started", NUMBER, offsetof(struct counters_daemon, started_usec)},
    MEMBER(counters_daemon, generation, NUMBER),
    MEMBER(counters_daemon, addresses_not_served, NUMBER),
    MEMBER(counters_daemon, reload_is_good, BOOLEAN),
    MEMBER(counters_daemon, reloads, LIST),
};

static const struct member pool_members[] = {
    MEMBER(counters_pool, service, TEXT),
    MEMBER(counters_pool, listener, TEXT),
    MEMBER(counters_pool, begun, NUMBER),
    MEMBER(counters_pool, received, NUMBER),
    MEMBER(counters_pool, sent, NUMBER),
    MEMBER(counters_pool, accept_errors, NUMBER),
    MEMBER(counters_pool, lost, LIST),
    MEMBER(counters_pool, slow, NUMBER),
    MEMBER(counters_pool, results, LIST),
    MEMBER(counters_pool, workers, LIST),
    MEMBER(counters_pool, refused, LIST),
    MEMBER(counters_pool, exits, LIST),
    MEMBER(counters_pool, duration, HISTOGRAM),
    MEMBER(counters_pool, wait, HISTOGRAM),
    MEMBER(counters_pool, reply, HISTOGRAM),
    MEMBER(counters_pool, min, NUMBER),
    MEMBER(counters_pool, spare, NUMBER),
    MEMBER(counters_pool, max, NUMBER),
    MEMBER(counters_pool, queue, NUMBER),
    MEMBER(counters_pool, queue_limit, NUMBER),
    MEMBER(counters_pool, full_usec, NUMBER),
    MEMBER(counters_pool, starts, NUMBER),
    MEMBER(counters_pool, fork_failures, NUMBER),
    MEMBER(counters_pool, is_throttled, BOOLEAN),
};

static int read_number(sd_bus_message *reply, const char *type, uint64_t *ret)
{
    uint32_t narrow;
    int r;

    if (strcmp(type, "t") == 0)
        return sd_bus_message_read(reply, "v", "t", ret);
    if (strcmp(type, "u") != 0)
        return sd_bus_message_skip(reply, "v");
    r = sd_bus_message_read(reply, "v", "u", &narrow);
    if (r >= 0)
        *ret = narrow;
    return r;
}

static int read_boolean(sd_bus_message *reply, bool *ret)
{
    int value;
    int r = sd_bus_message_read(reply, "v", "b", &value);

    if (r >= 0)
        *ret = value != 0;
    return r;
}

static int read_list(sd_bus_message *reply, struct counters_list *ret)
{
    int r = sd_bus_message_enter_container(reply, 'v', "a{st}");

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
static int read_histogram(sd_bus_message *reply, struct histogram *ret)
{
    const void *counts = NULL;
    size_t size = 0;
    uint64_t sum = 0;
    int r = sd_bus_message_enter_container(reply, 'v', "(att)");

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

// The variant that comes next; one of another type is passed over.
static int read_member(sd_bus_message *reply, const struct member *member, void *into)
{
    static const char *const types[] = {
        [TEXT] = "s", [BOOLEAN] = "b", [LIST] = "a{st}", [HISTOGRAM] = "(att)"};
    void *place = (char *)into + member->offset;
    const char *type;
    char kind;
    int r = sd_bus_message_peek_type(reply, &kind, &type);

    if (r < 0)
        return r;
    if (member->kind == NUMBER)
        return read_number(reply, type, place);
    if (strcmp(type, types[member->kind]) != 0)
        return sd_bus_message_skip(reply, "v");
    if (member->kind == TEXT)
        return sd_bus_message_read(reply, "v", "s", place);
    if (member->kind == BOOLEAN)
        return read_boolean(reply, place);
    return member->kind == LIST ? read_list(reply, place) : read_histogram(reply, place);
}

// A dictionary. 1, 0 at the end of an array, -errno.
static int read_members(sd_bus_message *reply, const struct member *members, size_t n, void *into)
{
    int r = sd_bus_message_enter_container(reply, 'a', "{sv}");

    if (r <= 0)
        return r;
    while ((r = sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
        const char *name;
        size_t i = 0;

        r = sd_bus_message_read(reply, "s", &name);
        while (r >= 0 && i < n && strcmp(members[i].name, name) != 0)
            i++;
        if (r >= 0)
            r = i < n ? read_member(reply, &members[i], into) : sd_bus_message_skip(reply, "v");
        if (r >= 0)
            r = sd_bus_message_exit_container(reply);
        if (r < 0)
            return r;
    }
    if (r >= 0)
        r = sd_bus_message_exit_container(reply);
    return r < 0 ? r : 1;
}

int counters_read(sd_bus_message *reply, struct counters *ret)
{
    int r;

    *ret = (struct counters){.daemon = {.version = "", .state = ""}};
    r = read_members(reply, daemon_members, ELEMENTS(daemon_members), &ret->daemon);
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
        r = read_members(reply, pool_members, ELEMENTS(pool_members), &pools[ret->n]);
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
