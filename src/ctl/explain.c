// SPDX-License-Identifier: MIT
// What the daemon does not tell is empty, what it tells beyond is in the JSON alone, so that both
// may be of different versions.

#include "ctl/explain.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "access/explain.h"
#include "base/base.h"
#include "ctl/fail.h"
#include "ctl/json.h"
#include "ctl/link.h"

// One field of an a{sv}, whose name was read.
static int read_field(sd_bus_message *reply, const char *name, struct explanation *ret)
{
    const struct {
        const char *name;
        const char **pointer;
    } texts[] = {{"service", &ret->service},
                 {"listener", &ret->listener},
                 {"reason", &ret->reason},
                 {"gets", &ret->gets}};
    const struct {
        const char *name;
        char *room;
        size_t size;
    } copies[] = {{"rule", ret->rule, sizeof(ret->rule)},
                  {"place", ret->place, sizeof(ret->place)},
                  {"near", ret->near, sizeof(ret->near)},
                  {"near_place", ret->near_place, sizeof(ret->near_place)},
                  {"source", ret->source, sizeof(ret->source)},
                  {"connections", ret->connections, sizeof(ret->connections)},
                  {"rate", ret->rate, sizeof(ret->rate)},
                  {"penalty", ret->penalty, sizeof(ret->penalty)}};
    const char *contents, *text;
    int is_served, r;
    char type;

    r = sd_bus_message_peek_type(reply, &type, &contents);
    if (r < 0)
        return r;
    if (strcmp(name, "served") == 0 && strcmp(contents, "b") == 0) {
        r = sd_bus_message_read(reply, "v", "b", &is_served);
        ret->is_served = r >= 0 && is_served;
        return r;
    }
    if (strcmp(contents, "s") != 0)
        return sd_bus_message_skip(reply, "v");
    r = sd_bus_message_read(reply, "v", "s", &text);
    for (size_t i = 0; r >= 0 && i < ELEMENTS(texts); i++)
        if (strcmp(name, texts[i].name) == 0)
            *texts[i].pointer = text;
    for (size_t i = 0; r >= 0 && i < ELEMENTS(copies); i++)
        if (strcmp(name, copies[i].name) == 0)
            (void)snprintf(copies[i].room, copies[i].size, "%s", text);
    return r;
}

// One a{sv}. 1, 0 at the end, -errno.
static int read_explanation(sd_bus_message *reply, struct explanation *ret)
{
    int r = sd_bus_message_enter_container(reply, 'a', "{sv}");

    *ret = (struct explanation){.service = "", .listener = "", .reason = "", .gets = ""};
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

// Prints all as text, unless nobody wants that. 1: all serve it; 0: not all; -errno.
static int read_all(sd_bus_message *reply, bool prints)
{
    struct explanation explanation;
    bool is_served = true;
    int r = sd_bus_message_enter_container(reply, 'a', "a{sv}");

    while (r > 0 && (r = read_explanation(reply, &explanation)) > 0) {
        is_served = is_served && explanation.is_served;
        if (prints)
            explain_print(&explanation, stdout);
    }
    return r < 0 ? r : is_served;
}

int explain_client(sd_bus *bus, const struct options *options)
{
    const char *const texts[] = {options->address, options->service, "", NULL};
    sd_bus_message *reply = NULL;
    int status = link_call_with(bus, "Explain", texts, options->timeout_usec, &reply);
    int r;

    if (status != EX_OK)
        return status;
    r = read_all(reply, !options->json);
    if (r >= 0 && options->json) {
        (void)sd_bus_message_rewind(reply, true);
        if (json_print_value(stdout, reply) < 0)
            r = -EBADMSG;
        (void)fputc('\n', stdout);
    }
    (void)sd_bus_message_unref(reply);
    if (r >= 0 && (fflush(stdout) != 0 || ferror(stdout)))
        r = errno > 0 ? -errno : -EIO;
    if (r < 0)
        return fail(EXIT_FAILURE, "cannot print the answer: %s", strerror(-r));
    return r > 0 ? EX_OK : EXPLAIN_REFUSED;
}
