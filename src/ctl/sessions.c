// SPDX-License-Identifier: MIT
#include "ctl/sessions.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/base.h"
#include "ctl/fail.h"
#include "ctl/link.h"
#include "ctl/session_print.h"

#define PAGE 256 // rows of an answer

// An entry of the filter.
static int append_entry(sd_bus_message *call, const char *name, const char *value)
{
    return value ? sd_bus_message_append(call, "{sv}", name, "s", value) : 0;
}

static int append_question(sd_bus_message *call, const struct session_filter *filter,
                           uint64_t after)
{
    int r = sd_bus_message_append(call, "stu", filter->service, after, (uint32_t)PAGE);

    if (r >= 0)
        r = sd_bus_message_open_container(call, 'a', "{sv}");
    if (r >= 0)
        r = append_entry(call, "peer", filter->peer);
    if (r >= 0)
        r = append_entry(call, "doing", filter->doing);
    if (r >= 0 && filter->older_usec > 0)
        r = sd_bus_message_append(call, "{sv}", "older_usec", "t", filter->older_usec);
    return r < 0 ? r : sd_bus_message_close_container(call);
}

static int ask_page(sd_bus *bus, const struct session_filter *filter, uint64_t timeout_usec,
                    struct sessions *sessions, uint64_t *next)
{
    sd_bus_message *call = NULL, *reply = NULL;
    int status = EX_OK, r = link_new(bus, "ListSessions", &call);

    if (r >= 0)
        r = append_question(call, filter, *next);
    if (r >= 0)
        status = link_send(bus, call, timeout_usec, &reply);
    (void)sd_bus_message_unref(call);
    if (r >= 0 && status == EX_OK)
        r = sessions_read(reply, sessions, next);
    (void)sd_bus_message_unref(reply);
    return r < 0 ? fail(EXIT_FAILURE, "cannot read the sessions: %s", strerror(-r)) : status;
}

int sessions_ask(sd_bus *bus, const struct session_filter *filter, uint64_t timeout_usec,
                 struct sessions *ret)
{
    uint64_t next = 0;
    int status;

    *ret = (struct sessions){0};
    do
        status = ask_page(bus, filter, timeout_usec, ret, &next);
    while (status == EX_OK && next != 0);
    if (status != EX_OK)
        sessions_done(ret);
    return status;
}

int sessions_run(sd_bus *bus, const struct options *options)
{
    const struct session_options *wanted = &options->sessions;
    const struct session_filter filter = {.service = options->service,
                                          .peer = wanted->peer,
                                          .older_usec = wanted->older_usec,
                                          .doing = wanted->doing};
    struct session_view view = {0};
    int status = sessions_ask(bus, &filter, options->timeout_usec, &view.sessions);
    int r;

    if (status != EX_OK)
        return status;
    sessions_sort(&view.sessions, wanted->order);
    view.n = view.sessions.n;
    if (wanted->limit > 0 && view.n > wanted->limit)
        view.n = (size_t)wanted->limit;
    if (options->json)
        session_print_json(stdout, &view);
    else
        session_print_table(stdout, &view);
    sessions_done(&view.sessions);
    errno = 0;
    r = fflush(stdout) != 0 || ferror(stdout) ? (errno > 0 ? -errno : -EIO) : 0;
    return r < 0 ? fail(EXIT_FAILURE, "cannot print the sessions: %s", strerror(-r)) : EX_OK;
}
