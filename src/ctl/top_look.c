// SPDX-License-Identifier: MIT
// First the counters, then the sessions, a page at a time.

#include "ctl/top_look.h"

#include <string.h>
#include <time.h>

#include "base/base.h"

#define PAGE      256 // sessions of an answer
#define PAGES_MAX 64  // of one look: a daemon that never comes to an end is not asked without end

static uint64_t real_usec(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now); // cannot fail with this clock
    return (uint64_t)now.tv_sec * USEC_PER_SEC + (uint64_t)now.tv_nsec / 1000;
}

int top_look_read(struct top_look *ret, sd_bus_message *reply)
{
    int r;

    *ret = (struct top_look){.at_usec = base_now_usec(), .real_usec = real_usec()};
    r = counters_read(reply, &ret->counters);
    if (r >= 0)
        ret->reply = sd_bus_message_ref(reply);
    return r;
}

void top_look_done(struct top_look *look)
{
    counters_done(&look->counters);
    sessions_done(&look->sessions);
    (void)sd_bus_message_unref(look->reply);
    *look = (struct top_look){0};
}

// ---- Sessions -----------------------------------------------------------------------------------

static int append_question(sd_bus_message *call, const char *service, uint64_t after)
{
    return sd_bus_message_append(call, "stua{sv}", service, after, (uint32_t)PAGE, 0);
}

// Adds a page. True: there is another one, from *next on.
static bool read_sessions(struct top_look *look, sd_bus_message *reply, uint64_t *next)
{
    if (sd_bus_message_is_method_error(reply, NULL) > 0 ||
        sessions_read(reply, &look->sessions, next) < 0) {
        sessions_done(&look->sessions);
        look->has_sessions = false;
        return false;
    }
    look->has_sessions = true;
    look->is_cut = *next != 0 && look->sessions.n_pages >= PAGES_MAX;
    return *next != 0 && !look->is_cut;
}

void top_look_add_sessions(struct top_look *look, sd_bus *bus, const char *service,
                           uint64_t timeout_usec)
{
    uint64_t next = 0;
    bool has_more = true;

    look->is_asked = true;
    while (has_more) {
        sd_bus_message *call = NULL, *reply = NULL;
        int r = sd_bus_message_new_method_call(bus, &call, NULL, "/tcpd", "tcpd.Manager",
                                               "ListSessions");

        if (r >= 0)
            r = append_question(call, service, next);
        if (r >= 0)
            r = sd_bus_call(bus, call, timeout_usec, NULL, &reply);
        has_more = r >= 0 && read_sessions(look, reply, &next);
        (void)sd_bus_message_unref(call);
        (void)sd_bus_message_unref(reply);
    }
}

// ---- Without waiting
// ------------------------------------------------------------------------------

static void finish(struct top_asker *asker, const char *problem)
{
    struct top_look look = asker->look;

    asker->look = (struct top_look){0};
    top_link_close(&asker->link);
    if (problem)
        top_look_done(&look);
    asker->looked(asker->cookie, problem ? NULL : &look, problem);
}

static void ask_sessions(struct top_asker *asker, uint64_t after)
{
    sd_bus_message *call = top_link_new(&asker->link, "ListSessions");

    asker->look.is_asked = true;
    top_link_send(&asker->link, call, call ? append_question(call, asker->service, after) : 0);
}

static void on_answer(void *cookie, sd_bus_message *reply, const char *problem)
{
    struct top_asker *asker = cookie;
    const sd_bus_error *error = reply ? sd_bus_message_get_error(reply) : NULL;
    uint64_t next = 0;

    if (problem) {
        finish(asker, problem);
    } else if (asker->look.reply) { // this one has sessions
        if (read_sessions(&asker->look, reply, &next))
            ask_sessions(asker, next);
        else
            finish(asker, NULL);
    } else if (error) {
        finish(asker, error->message ? error->message : error->name);
    } else if (top_look_read(&asker->look, reply) < 0) {
        finish(asker, "its answer cannot be read");
    } else if (asker->wants_sessions) {
        ask_sessions(asker, 0);
    } else {
        finish(asker, NULL);
    }
}

void top_asker_init(struct top_asker *asker, const char *path, uint64_t timeout_usec,
                    sd_event *event)
{
    *asker = (struct top_asker){.link = {.path = path,
                                         .timeout_usec = timeout_usec,
                                         .event = event,
                                         .answered = on_answer,
                                         .cookie = asker},
                                .service = ""};
}

void top_asker_ask(struct top_asker *asker)
{
    if (!top_link_is_open(&asker->link) && top_link_open(&asker->link))
        top_link_send(&asker->link, top_link_new(&asker->link, "GetCounters"), 0);
}

void top_asker_stop(struct top_asker *asker)
{
    top_link_close(&asker->link);
    top_look_done(&asker->look);
}
