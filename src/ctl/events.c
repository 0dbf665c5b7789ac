// SPDX-License-Identifier: MIT
// The daemon tells; who listens calls it now and then, as it lets go whoever is silent for long.

#include "ctl/events.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "base/base.h"
#include "ctl/fail.h"
#include "ctl/link.h"
#include "ctl/output.h"
#include "view/fields.h"
#include "view/json.h"

#define ALL_LAST 64 // that are remembered

struct event {
    uint64_t seq, realtime_usec;
    const char *kind, *service, *listener, *text;
    uint64_t worker, missed;
};

struct listener {
    bool json, is_begun;
    uint64_t n;      // printed
    uint64_t missed; // up to the last one
    int status;      // other than EX_OK: what has come cannot be read or printed
};

static const struct field fields[] = {TEXT(event, service), TEXT(event, listener),
                                      TEXT(event, text), NUMBER(event, worker),
                                      NUMBER(event, missed)};

// "2026-11-25 14:03:21.118", local time.
static const char *spell_time(uint64_t usec, char *text, size_t size)
{
    time_t sec = (time_t)(usec / USEC_PER_SEC);
    struct tm tm;
    size_t n = localtime_r(&sec, &tm) ? strftime(text, size, "%Y-%m-%d %H:%M:%S", &tm) : 0;

    (void)snprintf(text + n, size - n, ".%03u", (unsigned)(usec % USEC_PER_SEC / USEC_PER_MSEC));
    return text;
}

static void print_text(const struct event *event, uint64_t n_missed)
{
    char when[64];

    if (n_missed > 0)
        (void)printf("%" PRIu64 " event%s missed: there were more than 100 a second\n", n_missed,
                     PLURAL(n_missed));
    (void)printf("%s  %-14s  ", spell_time(event->realtime_usec, when, sizeof(when)), event->kind);
    if (event->service[0] != '\0')
        (void)printf("%s %s: ", event->service, event->listener);
    (void)printf("%s\n", event->text);
}

static void print_json(const struct event *event, uint64_t n_missed)
{
    const struct {
        const char *name, *value;
    } texts[] = {{"kind", event->kind},
                 {"service", event->service},
                 {"listener", event->listener},
                 {"text", event->text}};

    (void)printf("{\"seq\":%" PRIu64 ",\"time\":%" PRIu64, event->seq, event->realtime_usec);
    for (size_t i = 0; i < ELEMENTS(texts); i++) {
        (void)printf(",\"%s\":", texts[i].name);
        json_print_string(stdout, texts[i].value);
    }
    if (event->worker > 0)
        (void)printf(",\"worker\":%" PRIu64, event->worker);
    (void)printf(",\"missed\":%" PRIu64 "}\n", n_missed);
}

static int read_event(sd_bus_message *message, struct event *ret)
{
    int r = sd_bus_message_read(message, "tts", &ret->seq, &ret->realtime_usec, &ret->kind);

    ret->service = ret->listener = ret->text = "";
    ret->worker = ret->missed = 0;
    return r < 0 ? r : fields_read(message, fields, ELEMENTS(fields), ret);
}

// Sees every message that is no answer.
static int on_message(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    struct listener *listener = userdata;
    uint64_t n_missed;
    struct event event;
    int r;

    (void)error;
    if (sd_bus_message_is_signal(message, "tcpd.Manager", "Event") <= 0)
        return 0;
    r = read_event(message, &event);
    if (r < 0) {
        listener->status = fail(EXIT_FAILURE, "cannot read the events: %s", strerror(-r));
        return 1;
    }
    n_missed = listener->is_begun && event.missed > listener->missed
                   ? event.missed - listener->missed
                   : 0;
    listener->is_begun = true;
    listener->missed = event.missed;
    if (listener->json)
        print_json(&event, n_missed);
    else
        print_text(&event, n_missed);
    listener->n++;
    listener->status = output_end(EX_OK);
    return 1;
}

// n: how many of those that have happened follow.
static int subscribe(sd_bus *bus, const struct options *options, uint32_t *ret_n)
{
    const struct steer_options *wanted = &options->steer;
    char *none[] = {NULL};
    uint32_t last = wanted->has_last ? wanted->last : options->no_wait ? ALL_LAST : 0;
    sd_bus_message *call = NULL, *reply = NULL;
    uint64_t next;
    int status, r = link_new(bus, "Subscribe", &call);

    if (r >= 0)
        r = sd_bus_message_append_strv(call, wanted->kinds ? wanted->kinds : none);
    if (r >= 0)
        r = sd_bus_message_append(call, "u", last);
    status = r < 0 ? link_fail(NULL, r) : link_send(bus, call, LINK_ANSWER_USEC, &reply);
    (void)sd_bus_message_unref(call);
    if (status == EX_OK && sd_bus_message_read(reply, "tu", &next, ret_n) < 0)
        status = fail(EXIT_FAILURE, "tcpd's answer cannot be read");
    (void)sd_bus_message_unref(reply);
    return status;
}

// 0 or -errno, -EPIPE when nobody reads the output any more.
static int wait_for_more(sd_bus *bus, uint64_t usec)
{
    int fd = sd_bus_get_fd(bus), events = sd_bus_get_events(bus);

    if (fd < 0 || events < 0)
        return fd < 0 ? fd : events;
    return output_wait(fd, (short)events, usec);
}

// Until the time is over, or those that were asked for are there. An exit status.
static int follow(sd_bus *bus, const struct options *options, struct listener *listener,
                  uint32_t n_last)
{
    uint64_t begin = base_now_usec(), ping = begin + LINK_PING_USEC;

    while (listener->status == EX_OK && !(options->no_wait && listener->n >= n_last)) {
        uint64_t now = base_now_usec(), wait = ping > now ? ping - now : 0;
        int r;

        if (now - begin >= options->timeout_usec)
            return EX_OK;
        if (options->timeout_usec - (now - begin) < wait)
            wait = options->timeout_usec - (now - begin);
        if (now >= ping && !link_ping(bus, LINK_ANSWER_USEC))
            return fail(EX_UNAVAILABLE, "tcpd does not answer any more");
        if (now >= ping)
            ping = now + LINK_PING_USEC;
        r = sd_bus_process(bus, NULL);
        if (r == 0 && (r = wait_for_more(bus, wait)) == -EPIPE)
            return EX_IOERR;
        if (r < 0 || sd_bus_is_open(bus) <= 0)
            return fail(EX_UNAVAILABLE, "tcpd has ended the connection");
    }
    return EX_OK;
}

int events_run(sd_bus *bus, const struct options *options)
{
    struct listener listener = {.json = options->json};
    uint32_t n_last = 0;
    int r = sd_bus_add_filter(bus, NULL, on_message, &listener);
    int status = r < 0 ? link_fail(NULL, r) : subscribe(bus, options, &n_last);

    if (status == EX_OK)
        status = follow(bus, options, &listener, n_last);
    return listener.status != EX_OK ? listener.status : status;
}
