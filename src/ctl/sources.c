// SPDX-License-Identifier: MIT
// A line for each source. What the daemon does not tell is empty, so that both may be of different
// versions.

#include "ctl/sources.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/timespan.h"
#include "ctl/fail.h"
#include "ctl/link.h"
#include "view/fields.h"
#include "view/json.h"

struct source {
    const char *service, *listener, *source;
    uint64_t connections, penalty_usec;
    bool is_refused;
};

static const struct field fields[] = {
    TEXT(source, service),
    TEXT(source, listener),
    TEXT(source, source),
    NUMBER(source, connections),
    NUMBER(source, penalty_usec),
    {"refused", offsetof(struct source, is_refused), sizeof(bool), &field_boolean}};
static const struct source nobody = {.service = "", .listener = "", .source = ""};

static void print_source(const struct source *source)
{
    uint64_t usec = source->penalty_usec / USEC_PER_SEC * USEC_PER_SEC;
    char penalty[TIMESPAN_TEXT_MAX] = "-", name[256];

    if (source->penalty_usec > 0)
        (void)timespan_format(usec, penalty, sizeof(penalty));
    (void)snprintf(name, sizeof(name), "%s %s", source->service, source->listener);
    (void)printf("%-27s %-27s %11" PRIu64 "  %-8s %s\n", name,
                 source->source[0] ? source->source : "?", source->connections, penalty,
                 source->is_refused ? "refused" : "");
}

static int print_all(sd_bus_message *reply)
{
    struct field_list list = {
        .size = sizeof(nobody), .initial = &nobody, .fields = fields, .n_fields = ELEMENTS(fields)};
    int r = fields_read_list(reply, &list);

    (void)printf("%-27s %-27s %11s  %-8s\n", "LISTENER", "SOURCE", "CONNECTIONS", "PENALTY");
    for (size_t i = 0; i < list.n; i++)
        print_source(&((const struct source *)(const void *)list.items)[i]);
    free(list.items);
    return r;
}

static int end_answer(int r)
{
    return r < 0 ? fail(EXIT_FAILURE, "tcpd's answer cannot be read: %s", strerror(-r)) : EX_OK;
}

int sources_show(sd_bus *bus, const struct options *options)
{
    const char *const texts[] = {options->service, NULL};
    sd_bus_message *reply = NULL;
    int status = link_call_with(bus, "Sources", NULL, texts, options->timeout_usec, &reply);
    int r;

    if (status != EX_OK)
        return status;
    if (options->json) {
        r = json_print_value(stdout, reply) < 0 ? -EBADMSG : 0;
        (void)fputc('\n', stdout);
    } else {
        r = print_all(reply);
    }
    (void)sd_bus_message_unref(reply);
    return end_answer(r);
}

int sources_pardon(sd_bus *bus, const struct options *options)
{
    const char *const texts[] = {options->address, options->service, NULL};
    sd_bus_message *reply = NULL;
    int status = link_call_with(bus, "Pardon", NULL, texts, options->timeout_usec, &reply);
    uint64_t n = 0;
    int r;

    if (status != EX_OK)
        return status;
    r = sd_bus_message_read(reply, "t", &n);
    (void)sd_bus_message_unref(reply);
    if (r >= 0)
        (void)printf("%" PRIu64 " source%s pardoned\n", n, PLURAL(n));
    return end_answer(r);
}
