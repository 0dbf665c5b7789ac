// SPDX-License-Identifier: MIT
// The daemon is asked now and then: sessions may last for hours, and who waits may leave at any
// time. A worker exits after its session, so where there is none left nobody is served.

#include "ctl/steer_wait.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/base.h"
#include "ctl/fail.h"
#include "ctl/link.h"
#include "view/fields.h"

#define LOOK_USEC (200 * USEC_PER_MSEC)

struct pool {
    const char *service;
    uint64_t workers, busy;
    bool paused;
};

struct left {
    uint64_t n_pools, n_workers, n_busy; // of what is paused
};

static const struct field fields[] = {TEXT(pool, service), NUMBER(pool, workers),
                                      NUMBER(pool, busy), BOOLEAN(pool, paused)};
static const struct pool no_pool = {.service = ""};

static int read_left(sd_bus_message *reply, const char *service, struct left *ret)
{
    struct field_list list = {.size = sizeof(no_pool),
                              .initial = &no_pool,
                              .fields = fields,
                              .n_fields = ELEMENTS(fields)};
    int r = sd_bus_message_skip(reply, "a{sv}");
    const struct pool *pools;

    if (r >= 0)
        r = fields_read_list(reply, &list);
    pools = (const void *)list.items;
    *ret = (struct left){0};
    for (size_t i = 0; r >= 0 && i < list.n; i++) {
        if (*service && strcmp(pools[i].service, service) != 0)
            continue;
        if (!pools[i].paused)
            continue;
        ret->n_pools++;
        ret->n_workers += pools[i].workers;
        ret->n_busy += pools[i].busy;
    }
    free(list.items);
    return r;
}

static int look(sd_bus *bus, const char *service, struct left *ret)
{
    sd_bus_message *reply = NULL;
    int status = link_call(bus, "GetStatus", LINK_ANSWER_USEC, &reply);

    if (status == EX_OK && read_left(reply, service, ret) < 0)
        status = fail(EXIT_FAILURE, "tcpd's answer cannot be read");
    (void)sd_bus_message_unref(reply);
    return status;
}

// False: time is over.
static bool wait_a_moment(const struct options *options, uint64_t begin_usec)
{
    const struct timespec pause = base_timespec(LOOK_USEC);

    if (base_now_usec() - begin_usec >= options->timeout_usec)
        return false;
    (void)nanosleep(&pause, NULL);
    return true;
}

int steer_wait_empty(sd_bus *bus, const struct options *options, uint64_t begin_usec)
{
    struct left left;
    int status;

    while ((status = look(bus, options->service, &left)) == EX_OK) {
        if (left.n_pools == 0)
            return fail(EXIT_FAILURE, "%s was resumed meanwhile",
                        *options->service ? options->service : "all");
        if (left.n_workers == 0)
            break;
        if (!wait_a_moment(options, begin_usec))
            return fail(EX_UNAVAILABLE, "time is over: %" PRIu64 " session%s left; it stays paused",
                        left.n_busy, PLURAL(left.n_busy));
    }
    if (status == EX_OK && !options->json)
        (void)puts("nobody is served there any more");
    return status;
}

// What ListWorkers() says in a page. 1: the worker is there and drains; 0: not in this page.
static int find_worker(sd_bus_message *reply, uint32_t worker, uint64_t *ret_next)
{
    int found = 0, r = sd_bus_message_enter_container(reply, 'a', NULL);

    while (r >= 0) {
        const char *unused;
        uint64_t unused_t;
        uint32_t pid, unused_u;
        int is_draining;

        r = sd_bus_message_read(reply, "(ussusbttttts)", &pid, &unused, &unused, &unused_u, &unused,
                                &is_draining, &unused_t, &unused_t, &unused_t, &unused_t, &unused_t,
                                &unused);
        if (r <= 0)
            break;
        found |= pid == worker && is_draining;
    }
    if (r >= 0)
        r = sd_bus_message_exit_container(reply);
    if (r >= 0)
        r = sd_bus_message_read(reply, "t", ret_next);
    return r < 0 ? r : found;
}

// Whether the worker drains still. Another one that has its number by now does not.
static int is_draining(sd_bus *bus, uint32_t worker, bool *ret)
{
    uint64_t next = 0;
    int found = 0;

    do {
        sd_bus_message *call = NULL, *reply = NULL;
        int r = link_new(bus, "ListWorkers", &call), status;

        if (r >= 0)
            r = sd_bus_message_append(call, "stu", "", next, 0);
        status = r < 0 ? link_fail(NULL, r) : link_send(bus, call, LINK_ANSWER_USEC, &reply);
        (void)sd_bus_message_unref(call);
        if (status != EX_OK)
            return status;
        found = find_worker(reply, worker, &next);
        (void)sd_bus_message_unref(reply);
        if (found < 0)
            return fail(EXIT_FAILURE, "tcpd's answer cannot be read");
    } while (found == 0 && next != 0);
    *ret = found > 0;
    return EX_OK;
}

int steer_wait_worker(sd_bus *bus, const struct options *options, uint64_t begin_usec)
{
    bool drains = true;
    int status;

    while ((status = is_draining(bus, options->steer.worker, &drains)) == EX_OK && drains)
        if (!wait_a_moment(options, begin_usec))
            return fail(EX_UNAVAILABLE, "time is over: worker %" PRIu32 " has its session still",
                        options->steer.worker);
    return status;
}
