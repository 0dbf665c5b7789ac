// SPDX-License-Identifier: MIT
#include "status/status_look.h"

#include "base/base.h"
#include "status/status_link.h"
#include "view/rates.h"

#define ASK_USEC (2 * USEC_PER_SEC)
#define LEAST    (USEC_PER_SEC / 2)   // between two looks that rates are told of
#define MOST     (300 * USEC_PER_SEC) // what is older tells nothing of now

// What is kept of one before.
static struct status_look kept;

static int ask(struct status_look *look, enum status_what what)
{
    uint64_t deadline = base_now_usec() + ASK_USEC;
    bool wants_status = what != STATUS_METRICS;
    bool wants_counters = what == STATUS_METRICS || what == STATUS_PAGE || what == STATUS_PART;
    int r = status_link_open(deadline, &look->bus);

    if (r >= 0 && wants_status)
        r = status_link_call(look->bus, "GetStatus", deadline, &look->status_reply);
    if (r >= 0 && wants_status && what != STATUS_JSON)
        r = status_read(look->status_reply, &look->status);
    if (r >= 0 && wants_counters)
        r = status_link_call(look->bus, "GetCounters", deadline, &look->counters_reply);
    if (r >= 0 && wants_counters)
        r = counters_read(look->counters_reply, &look->counters);
    return r;
}

int status_look_open(struct status_look *ret, enum status_what what)
{
    *ret = (struct status_look){.usec = base_now_usec()};
    return ask(ret, what);
}

static void forget(struct status_look *look)
{
    status_done(&look->status);
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
