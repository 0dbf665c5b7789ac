// SPDX-License-Identifier: MIT
#include "ctl/sessions.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "access/prefix.h"
#include "base/base.h"
#include "ctl/fail.h"
#include "ctl/link.h"
#include "ctl/session_print.h"
#include "view/counters.h"

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

// Whether that one is asked for, of those who wait.
static bool is_wanted(const struct session_options *wanted, const struct diag_socket *socket)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    struct prefix prefixes[PREFIX_WORD_MAX], its;
    char wrong[PREFIX_WRONG_MAX];
    int n = wanted->peer ? prefix_parse(wanted->peer, prefixes, wrong) : 0;

    if (socket->waiting_ms * USEC_PER_MSEC < wanted->older_usec)
        return false;
    memcpy(&in6.sin6_addr, socket->remote.ip, sizeof(socket->remote.ip));
    if (!prefix_of_address((const struct sockaddr *)&in6, &its))
        return false;
    for (int i = 0; i < n; i++)
        if (prefix_contains(&prefixes[i], &its))
            return true;
    return !wanted->peer;
}

// Of the listeners that the counters name, whose message must stay.
static int add_waiting(const struct options *options, const struct counters *counters,
                       struct kernel *kernel)
{
    size_t n = 0;
    int r = 0;

    for (size_t i = 0; r >= 0 && i < counters->n; i++)
        if (options->service[0] == '\0' ||
            strcmp(options->service, counters->pools[i].service) == 0)
            r = kernel_add_waiting(kernel, counters->pools[i].service, counters->pools[i].listener);
    for (size_t i = 0; i < kernel->n_waiting; i++)
        if (is_wanted(&options->sessions, kernel->waiting[i].socket))
            kernel->waiting[n++] = kernel->waiting[i];
    kernel->n_waiting = n;
    kernel_sort_waiting(kernel);
    return r;
}

static int ask_waiting(sd_bus *bus, const struct options *options, struct kernel *kernel,
                       sd_bus_message **ret_reply)
{
    struct counters counters = {0};
    int status = link_call(bus, "GetCounters", options->timeout_usec, ret_reply);
    int r;

    if (status != EX_OK)
        return status;
    r = counters_read(*ret_reply, &counters);
    if (r >= 0)
        r = add_waiting(options, &counters, kernel);
    counters_done(&counters);
    return r < 0 ? fail(EXIT_FAILURE, "cannot read the listeners: %s", strerror(-r)) : EX_OK;
}

// *ret_reply: what the texts of those who wait are in.
static int ask_kernel(sd_bus *bus, const struct options *options, struct session_view *view,
                      sd_bus_message **ret_reply)
{
    struct diag_sockets sockets;
    int r;

    view->has_kernel = session_options_has(&options->sessions, SESSION_KERNEL);
    view->has_waiting = session_options_has(&options->sessions, SESSION_WAITING);
    if (!view->has_kernel && !view->has_waiting)
        return EX_OK;
    r = diag_read(&sockets);
    if (r < 0)
        return fail(EX_UNAVAILABLE, "the kernel does not tell of its connections: %s",
                    strerror(-r));
    kernel_open(&view->kernel, &sockets);
    return view->has_waiting ? ask_waiting(bus, options, &view->kernel, ret_reply) : EX_OK;
}

static void print(const struct options *options, const struct session_view *view)
{
    if (options->json)
        session_print_json(stdout, view);
    else
        session_print_table(stdout, view);
}

int sessions_run(sd_bus *bus, const struct options *options)
{
    const struct session_options *wanted = &options->sessions;
    const struct session_filter filter = {.service = options->service,
                                          .peer = wanted->peer,
                                          .older_usec = wanted->older_usec,
                                          .doing = wanted->doing};
    struct session_view view = {0};
    sd_bus_message *reply = NULL;
    int status = sessions_ask(bus, &filter, options->timeout_usec, &view.sessions);

    if (status != EX_OK)
        return status;
    status = ask_kernel(bus, options, &view, &reply);
    sessions_sort(&view.sessions, wanted->order);
    view.n = view.sessions.n;
    if (wanted->limit > 0 && view.n > wanted->limit)
        view.n = (size_t)wanted->limit;
    if (status == EX_OK)
        print(options, &view);
    kernel_close(&view.kernel);
    (void)sd_bus_message_unref(reply);
    sessions_done(&view.sessions);
    return status;
}
