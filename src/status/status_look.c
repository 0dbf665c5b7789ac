// SPDX-License-Identifier: MIT
#include "status/status_look.h"

#include <signal.h>

#include "base/base.h"
#include "status/status_link.h"
#include "view/rates.h"

#define ASK_USEC (2 * USEC_PER_SEC)
#define LEAST    (USEC_PER_SEC / 2)   // between two looks that rates are told of
#define MOST     (300 * USEC_PER_SEC) // what is older tells nothing of now

// What is kept of one before.
static struct status_look kept;

static int ask_status(struct status_look *look, enum status_what what, uint64_t deadline)
{
    int r = status_link_call(look->bus, "GetStatus", deadline, &look->status_reply);

    if (r >= 0 && what != STATUS_JSON)
        r = status_read(look->status_reply, &look->status);
    if (r >= 0 && (what == STATUS_PAGE || what == STATUS_PART))
        r = sd_bus_message_rewind(look->status_reply, true);
    if (r >= 0 && (what == STATUS_PAGE || what == STATUS_PART))
        r = findings_read(look->status_reply, &look->findings);
    return r;
}

static int ask_counters(struct status_look *look, uint64_t deadline)
{
    int r = status_link_call(look->bus, "GetCounters", deadline, &look->counters_reply);

    return r < 0 ? r : counters_read(look->counters_reply, &look->counters);
}

static int ask_some_sessions(struct status_look *look, const char *addresses, uint64_t deadline,
                             uint64_t *next)
{
    sd_bus_message *call = NULL, *reply = NULL;
    int r = status_link_new(look->bus, "ListSessions", &call);

    if (r >= 0)
        r = sd_bus_message_append(call, "stua{sv}", "", *next, 0U, 1, "addresses", "s", addresses);
    if (r >= 0)
        r = status_link_send(look->bus, call, deadline, &reply);
    if (r >= 0)
        r = sessions_read(reply, &look->sessions, next);
    (void)sd_bus_message_unref(call);
    (void)sd_bus_message_unref(reply);
    return r;
}

static int ask_sessions(struct status_look *look, enum log_addresses addresses, uint64_t deadline)
{
    uint64_t next = 0;
    int r;

    do
        r = ask_some_sessions(look, log_addresses_names[addresses], deadline, &next);
    while (r >= 0 && next != 0);
    sessions_sort(&look->sessions, SESSIONS_BY_AGE);
    return r;
}

static int ask(struct status_look *look, const struct status_wish *wish,
               enum log_addresses addresses)
{
    uint64_t deadline = base_now_usec() + ASK_USEC;
    bool is_page = wish->what == STATUS_PAGE || wish->what == STATUS_PART;
    bool is_sessions = wish->what == STATUS_SESSIONS;
    int r = status_link_open(deadline, &look->bus);

    if (r >= 0 && wish->what != STATUS_METRICS && !is_sessions)
        r = ask_status(look, wish->what, deadline);
    if (r >= 0 && (wish->what == STATUS_METRICS || is_page || wish->has_services))
        r = ask_counters(look, deadline);
    if (r >= 0 && (is_page || is_sessions))
        r = ask_sessions(look, addresses, deadline);
    if (r >= 0 && is_page)
        r = findings_add_sessions(&look->findings, &look->sessions);
    return r;
}

// sd_bus_call() fails when a signal of the worker's interrupts its wait; such a signal is handled
// after the look, ASK_USEC later at most. SIGSYS is not held: its handler names the forbidden call.
static void hold_signals(sigset_t *ret_before)
{
    sigset_t held;

    (void)sigfillset(&held);
    (void)sigdelset(&held, SIGSYS);
    (void)sigprocmask(SIG_BLOCK, &held, ret_before);
}

int status_look_open(struct status_look *ret, const struct status_wish *wish,
                     enum log_addresses addresses)
{
    sigset_t before;
    int r;

    *ret = (struct status_look){.usec = base_now_usec()};
    hold_signals(&before);
    r = ask(ret, wish, addresses);
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    return r;
}

static void forget(struct status_look *look)
{
    status_done(&look->status);
    findings_done(&look->findings);
    sessions_done(&look->sessions);
    counters_done(&look->counters);
    look->status_reply = sd_bus_message_unref(look->status_reply);
    look->counters_reply = sd_bus_message_unref(look->counters_reply);
}

// Two who look in turn do not take the time between from each other.
static bool is_to_be_kept(const struct status_look *look)
{
    return look->counters_reply && (!kept.counters_reply || look->usec - kept.usec >= LEAST);
}

void status_look_close(struct status_look *look)
{
    look->bus = sd_bus_close_unref(look->bus);
    if (is_to_be_kept(look)) {
        forget(&kept);
        kept = (struct status_look){
            .counters_reply = look->counters_reply, .counters = look->counters, .usec = look->usec};
        look->counters_reply = NULL;
        look->counters = (struct counters){0};
    }
    forget(look);
}

const struct counters *status_look_before(const struct status_look *look, uint64_t *ret_usec)
{
    *ret_usec = look->usec - kept.usec;
    if (!kept.counters_reply || *ret_usec < LEAST || *ret_usec > MOST ||
        !rates_is_same_daemon(&kept.counters, &look->counters))
        return NULL;
    return &kept.counters;
}
