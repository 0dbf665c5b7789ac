// SPDX-License-Identifier: MIT
// A line for each source. What the daemon does not tell is empty, so that both may be of different
// versions.

#include "ctl/sources.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "base/timespan.h"
#include "ctl/fail.h"
#include "ctl/json.h"
#include "ctl/link.h"

struct source {
    const char *service, *listener, *source;
    uint32_t connections;
    uint64_t penalty_usec;
    int is_refused;
};

// One field of an a{sv}, whose name was read.
static int read_field(sd_bus_message *reply, const char *name, struct source *ret)
{
    const struct {
        const char *name, *contents;
        void *pointer;
    } fields[] = {{"service", "s", &ret->service},
                  {"listener", "s", &ret->listener},
                  {"source", "s", &ret->source},
                  {"connections", "u", &ret->connections},
                  {"penalty_usec", "t", &ret->penalty_usec},
                  {"refused", "b", &ret->is_refused}};
    const char *contents;
    char type;
    int r = sd_bus_message_peek_type(reply, &type, &contents);

    if (r < 0)
        return r;
    for (size_t i = 0; i < ELEMENTS(fields); i++)
        if (strcmp(name, fields[i].name) == 0 && strcmp(contents, fields[i].contents) == 0)
            return sd_bus_message_read(reply, "v", contents, fields[i].pointer);
    return sd_bus_message_skip(reply, "v");
}

// One a{sv}. 1, 0 at the end, -errno.
static int read_source(sd_bus_message *reply, struct source *ret)
{
    int r = sd_bus_message_enter_container(reply, 'a', "{sv}");

    *ret = (struct source){.service = "", .listener = "", .source = ""};
    if (r <= 0)
        return r;
    while ((r = sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
        const char *name;

        r = sd_bus_message_read(reply, "s", &name);
        if (r >= 0)
            r = read_field(reply, name, ret);
        if (r >= 0)
            r = sd_bus_message_exit_container(reply);
        if (r < 0)
            return r;
    }
    if (r >= 0)
        r = sd_bus_message_exit_container(reply);
    return r < 0 ? r : 1;
}

static void print_source(const struct source *source)
{
    uint64_t usec = source->penalty_usec / USEC_PER_SEC * USEC_PER_SEC;
    char penalty[TIMESPAN_TEXT_MAX] = "-", name[256];

    if (source->penalty_usec > 0)
        (void)timespan_format(usec, penalty, sizeof(penalty));
    (void)snprintf(name, sizeof(name), "%s %s", source->service, source->listener);
    (void)printf("%-27s %-27s %11" PRIu32 "  %-8s %s\n", name,
                 source->source[0] ? source->source : "?", source->connections, penalty,
                 source->is_refused ? "refused" : "");
}

static int print_all(sd_bus_message *reply)
{
    struct source source;
    int r = sd_bus_message_enter_container(reply, 'a', "a{sv}");

    (void)printf("%-27s %-27s %11s  %-8s\n", "LISTENER", "SOURCE", "CONNECTIONS", "PENALTY");
    while (r > 0 && (r = read_source(reply, &source)) > 0)
        print_source(&source);
    return r;
}

static int end_output(int r)
{
    if (r >= 0 && (fflush(stdout) != 0 || ferror(stdout)))
        r = errno > 0 ? -errno : -EIO;
    return r < 0 ? fail(EXIT_FAILURE, "cannot print the answer: %s", strerror(-r)) : EX_OK;
}

int sources_show(sd_bus *bus, const struct options *options)
{
    const char *const texts[] = {options->service, NULL};
    sd_bus_message *reply = NULL;
    int status = link_call_with(bus, "Sources", texts, options->timeout_usec, &reply);
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
    return end_output(r);
}

int sources_pardon(sd_bus *bus, const struct options *options)
{
    const char *const texts[] = {options->address, options->service, NULL};
    sd_bus_message *reply = NULL;
    int status = link_call_with(bus, "Pardon", texts, options->timeout_usec, &reply);
    uint64_t n = 0;
    int r;

    if (status != EX_OK)
        return status;
    r = sd_bus_message_read(reply, "t", &n);
    (void)sd_bus_message_unref(reply);
    if (r >= 0)
        (void)printf("%" PRIu64 " source%s pardoned\n", n, PLURAL(n));
    return end_output(r);
}
