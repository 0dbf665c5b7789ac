// SPDX-License-Identifier: MIT
// What the daemon has done it tells in its answer, a row for each listener. Who waits for the end
// of sessions looks now and then, as node.c does.

#include "ctl/steer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/base.h"
#include "ctl/fail.h"
#include "ctl/link.h"
#include "ctl/output.h"
#include "ctl/steer_wait.h"
#include "view/figures.h"
#include "view/json.h"

// A row of an answer, and how one is printed.
struct row {
    const char *service, *listener;
    uint32_t sessions, workers; // pause
    uint64_t oldest_usec;
    uint32_t waiting; // resume
    uint64_t paused_usec;
    uint32_t before[STEER_LIMITS], after[STEER_LIMITS]; // resize
    int busy;                                           // drain
};

struct verb {
    const char *list; // its name in JSON
    int (*read)(sd_bus_message *reply, struct row *ret);
    void (*print)(const struct options *options, const struct row *row);
    void (*print_json)(const struct row *row);
};

static uint64_t answer_time(const struct options *options)
{
    return options->timeout_usec < LINK_ANSWER_USEC ? options->timeout_usec : LINK_ANSWER_USEC;
}

static void print_members(const struct row *row)
{
    (void)fputs("{\"service\":", stdout);
    json_print_string(stdout, row->service);
    (void)fputs(",\"listener\":", stdout);
    json_print_string(stdout, row->listener);
}

// Prints what the answer has. n: how many rows. An exit status.
static int print_rows(sd_bus_message *reply, const struct verb *verb, const struct options *options,
                      size_t *ret_n)
{
    struct row row;
    int r = sd_bus_message_enter_container(reply, 'a', NULL);

    *ret_n = 0;
    if (options->json)
        (void)printf("{\"schema\":1,\"%s\":[", verb->list);
    while (r >= 0 && (r = verb->read(reply, &row)) > 0) {
        if (options->json && *ret_n > 0)
            (void)fputc(',', stdout);
        if (options->json)
            verb->print_json(&row);
        else
            verb->print(options, &row);
        (*ret_n)++;
    }
    if (options->json)
        (void)fputs("]}\n", stdout);
    if (r < 0)
        return fail(EXIT_FAILURE, "tcpd's answer cannot be read");
    return output_end(EX_OK); // now, as some wait after it
}

// Sends the call, which is ours no more, and prints the answer.
static int carry_out(sd_bus *bus, sd_bus_message *call, int r, const struct verb *verb,
                     const struct options *options, size_t *ret_n)
{
    sd_bus_message *reply = NULL;
    int status = r < 0 ? link_fail(NULL, r) : link_send(bus, call, answer_time(options), &reply);

    (void)sd_bus_message_unref(call);
    if (status == EX_OK)
        status = print_rows(reply, verb, options, ret_n);
    (void)sd_bus_message_unref(reply);
    return status;
}

// A call that takes the name of a service, or "".
static int call_service(sd_bus *bus, const char *method, const char *service, sd_bus_message **ret)
{
    int r = link_new(bus, method, ret);

    return r < 0 ? r : sd_bus_message_append(*ret, "s", service);
}

// ---- pause

static int read_pause(sd_bus_message *reply, struct row *ret)
{
    return sd_bus_message_read(reply, "(ssuut)", &ret->service, &ret->listener, &ret->sessions,
                               &ret->workers, &ret->oldest_usec);
}

static void print_pause(const struct options *options, const struct row *row)
{
    char age[FIGURE_MAX];

    (void)options;
    (void)printf("%s %s: paused, ", row->service, row->listener);
    if (row->sessions == 0)
        (void)fputs("no session is left\n", stdout);
    else
        (void)printf("%" PRIu32 " session%s left, the oldest for %s\n", row->sessions,
                     PLURAL(row->sessions), figure_age(row->oldest_usec, age, sizeof(age)));
}

static void print_pause_json(const struct row *row)
{
    print_members(row);
    (void)printf(",\"sessions\":%" PRIu32 ",\"workers\":%" PRIu32 ",\"oldest_usec\":%" PRIu64 "}",
                 row->sessions, row->workers, row->oldest_usec);
}

int steer_pause(sd_bus *bus, const struct options *options)
{
    static const struct verb verb = {"paused", read_pause, print_pause, print_pause_json};
    sd_bus_message *call = NULL;
    uint64_t begin_usec = base_now_usec();
    size_t n;
    int r = call_service(bus, "Pause", options->service, &call);
    int status = carry_out(bus, call, r, &verb, options, &n);

    if (status == EX_OK && options->wait && n > 0)
        status = steer_wait_empty(bus, options, begin_usec);
    return status;
}

// ---- resume

static int read_resume(sd_bus_message *reply, struct row *ret)
{
    return sd_bus_message_read(reply, "(ssut)", &ret->service, &ret->listener, &ret->waiting,
                               &ret->paused_usec);
}

static void print_resume(const struct options *options, const struct row *row)
{
    (void)options;
    (void)printf("%s %s: serves again; ", row->service, row->listener);
    if (row->waiting == 0)
        (void)fputs("nobody has waited\n", stdout);
    else
        (void)printf("%" PRIu32 " client%s ha%s waited\n", row->waiting, PLURAL(row->waiting),
                     row->waiting == 1 ? "s" : "ve");
}

static void print_resume_json(const struct row *row)
{
    print_members(row);
    (void)printf(",\"waiting\":%" PRIu32 ",\"paused_usec\":%" PRIu64 "}", row->waiting,
                 row->paused_usec);
}

int steer_resume(sd_bus *bus, const struct options *options)
{
    static const struct verb verb = {"resumed", read_resume, print_resume, print_resume_json};
    sd_bus_message *call = NULL;
    size_t n;
    int r = call_service(bus, "Resume", options->service, &call);
    int status = carry_out(bus, call, r, &verb, options, &n);

    if (status == EX_OK && n == 0 && !options->json)
        (void)printf("%s was not paused\n", *options->service ? options->service : "tcpd");
    return status;
}

// ---- resize

static int read_resize(sd_bus_message *reply, struct row *ret)
{
    return sd_bus_message_read(reply, "(ss(uuu)(uuu))", &ret->service, &ret->listener,
                               &ret->before[STEER_MIN], &ret->before[STEER_SPARE],
                               &ret->before[STEER_MAX], &ret->after[STEER_MIN],
                               &ret->after[STEER_SPARE], &ret->after[STEER_MAX]);
}

static bool is_reset(const struct options *options)
{
    const bool *has = options->steer.has_limit;

    return !has[STEER_MIN] && !has[STEER_SPARE] && !has[STEER_MAX];
}

static void print_resize(const struct options *options, const struct row *row)
{
    const char *gap = "";

    (void)printf("%s %s: ", row->service, row->listener);
    for (int i = STEER_LIMITS - 1; i >= 0; i--) { // max is what most are after
        if (row->before[i] == row->after[i])
            continue;
        (void)printf("%s%s %" PRIu32 " -> %" PRIu32, gap, steer_limit_names[i], row->before[i],
                     row->after[i]);
        gap = ", ";
    }
    if (*gap == '\0')
        (void)printf("min %" PRIu32 ", spare %" PRIu32 ", max %" PRIu32 ", as before",
                     row->after[STEER_MIN], row->after[STEER_SPARE], row->after[STEER_MAX]);
    (void)printf(", %s\n", is_reset(options) ? "as configured" : "until the next reload");
}

static void print_resize_json(const struct row *row)
{
    print_members(row);
    for (int i = 0; i < STEER_LIMITS; i++)
        (void)printf(",\"%s\":%" PRIu32 ",\"%s_before\":%" PRIu32, steer_limit_names[i],
                     row->after[i], steer_limit_names[i], row->before[i]);
    (void)fputc('}', stdout);
}

static int append_limits(sd_bus_message *call, const struct steer_options *wanted)
{
    int r = sd_bus_message_open_container(call, 'a', "{sv}");

    for (int i = 0; r >= 0 && i < STEER_LIMITS; i++)
        if (wanted->has_limit[i])
            r = sd_bus_message_append(call, "{sv}", steer_limit_names[i], "u", wanted->limits[i]);
    return r < 0 ? r : sd_bus_message_close_container(call);
}

int steer_resize(sd_bus *bus, const struct options *options)
{
    static const struct verb verb = {"resized", read_resize, print_resize, print_resize_json};
    sd_bus_message *call = NULL;
    size_t n;
    int r = call_service(bus, "Resize", options->service, &call);

    if (r >= 0)
        r = append_limits(call, &options->steer);
    return carry_out(bus, call, r, &verb, options, &n);
}

// ---- drain --worker

static int read_drain(sd_bus_message *reply, struct row *ret)
{
    return sd_bus_message_read(reply, "(ssb)", &ret->service, &ret->listener, &ret->busy);
}

static void print_drain(const struct options *options, const struct row *row)
{
    (void)printf("%" PRIu32 ": exits %s (%s %s)\n", options->steer.worker,
                 row->busy ? "after its session" : "now", row->service, row->listener);
}

static void print_drain_json(const struct row *row)
{
    print_members(row);
    (void)printf(",\"busy\":%s}", row->busy ? "true" : "false");
}

int steer_drain(sd_bus *bus, const struct options *options)
{
    static const struct verb verb = {"drained", read_drain, print_drain, print_drain_json};
    sd_bus_message *call = NULL;
    uint64_t begin_usec = base_now_usec();
    size_t n;
    int r = link_new(bus, "DrainWorker", &call), status;

    if (r >= 0)
        r = sd_bus_message_append(call, "u", options->steer.worker);
    status = carry_out(bus, call, r, &verb, options, &n);
    if (status == EX_OK && options->wait)
        status = steer_wait_worker(bus, options, begin_usec);
    return status;
}
