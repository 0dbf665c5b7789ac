// SPDX-License-Identifier: MIT
// Those that were chosen are asked for first and then ended one by one, by their names: one that
// has ended meanwhile is over, and nobody else is meant. Several are under way at a time.

#include "ctl/kick.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/base.h"
#include "ctl/fail.h"
#include "ctl/link.h"
#include "ctl/sessions.h"
#include "view/figures.h"
#include "view/json.h"

#define AT_ONCE 16

struct kick {
    struct round *round;
    uint32_t pid;
    uint64_t number;
};

struct round {
    struct kick *kicks;
    size_t n, n_started, n_over, n_ended, n_printed;
    const char *how;
    uint64_t timeout_usec;
    bool json, is_choice;
    int status;
};

// What the answer says of it.
struct outcome {
    const char *service, *peer, *how;
    uint64_t age_usec, received, sent;
};

static void print_text(const struct kick *kick, const struct outcome *outcome)
{
    char id[SESSION_ID_MAX], age[FIGURE_MAX], received[FIGURE_MAX], sent[FIGURE_MAX];

    (void)printf("%s: %s (%s, %s, %s, %s in, %s out)\n",
                 session_id_format(kick->pid, kick->number, id, sizeof(id)),
                 strcmp(outcome->how, "killed") == 0 ? "ended with its worker" : "ended",
                 outcome->service, outcome->peer, figure_age(outcome->age_usec, age, sizeof(age)),
                 figure_bytes(outcome->received, received, sizeof(received)),
                 figure_bytes(outcome->sent, sent, sizeof(sent)));
}

static void print_json(struct round *round, const struct kick *kick, const struct outcome *outcome)
{
    (void)printf("%s{\"id\":\"%" PRIu32 ".%" PRIu64 "\",\"outcome\":",
                 round->n_printed++ > 0 ? "," : "", kick->pid, kick->number);
    json_print_string(stdout, outcome->how);
    (void)fputs(",\"service\":", stdout);
    json_print_string(stdout, outcome->service);
    (void)fputs(",\"peer\":", stdout);
    json_print_string(stdout, outcome->peer);
    (void)printf(",\"age_usec\":%" PRIu64 ",\"bytes_in\":%" PRIu64 ",\"bytes_out\":%" PRIu64 "}",
                 outcome->age_usec, outcome->received, outcome->sent);
}

// One that has not been ended. Of those that were chosen one that is over by now is no failure: it
// is not there any more, as was wanted.
static void note_failure(const struct kick *kick, const sd_bus_error *error)
{
    struct round *round = kick->round;
    bool is_over = sd_bus_error_has_name(error, "tcpd.Error.Over") ||
                   sd_bus_error_has_name(error, "tcpd.Error.NotFound");
    char id[SESSION_ID_MAX];

    if (sd_bus_error_has_name(error, SD_BUS_ERROR_ACCESS_DENIED) ||
        sd_bus_error_has_name(error, SD_BUS_ERROR_NO_REPLY) ||
        sd_bus_error_has_name(error, SD_BUS_ERROR_TIMEOUT) ||
        sd_bus_error_has_name(error, SD_BUS_ERROR_UNKNOWN_METHOD)) {
        if (round->status != EX_NOPERM && round->status != EX_UNAVAILABLE)
            round->status = link_fail(error, -EREMOTEIO); // once
        return;
    }
    if (is_over && round->is_choice)
        return;
    (void)fail(0, "%s: %s", session_id_format(kick->pid, kick->number, id, sizeof(id)),
               error->message);
    if (round->status == EX_OK)
        round->status = EXIT_FAILURE;
}

static int on_answer(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
    const struct kick *kick = userdata;
    struct round *round = kick->round;
    struct outcome outcome;

    (void)error;
    round->n_over++;
    if (sd_bus_message_is_method_error(reply, NULL) > 0) {
        note_failure(kick, sd_bus_message_get_error(reply));
        return 1;
    }
    if (sd_bus_message_read(reply, "ssttts", &outcome.service, &outcome.peer, &outcome.age_usec,
                            &outcome.received, &outcome.sent, &outcome.how) < 0) {
        round->status = fail(EXIT_FAILURE, "cannot read the answer");
        return 1;
    }
    round->n_ended++;
    if (round->json)
        print_json(round, kick, &outcome);
    else
        print_text(kick, &outcome);
    return 1;
}

static int start(sd_bus *bus, struct kick *kick)
{
    const struct round *round = kick->round;
    sd_bus_message *call = NULL;
    int r = link_new(bus, "EndSession", &call);

    if (r >= 0)
        r = sd_bus_message_append(call, "uts", kick->pid, kick->number, round->how);
    if (r >= 0)
        r = sd_bus_call_async(bus, NULL, call, on_answer, kick, round->timeout_usec);
    (void)sd_bus_message_unref(call);
    return r;
}

// Ends all of them. 0, or -errno of the connection.
static int carry_out(sd_bus *bus, struct round *round)
{
    int r = 0;

    while (r >= 0 && round->n_over < round->n) {
        if (round->n_started < round->n && round->n_started - round->n_over < AT_ONCE) {
            r = start(bus, &round->kicks[round->n_started++]);
            continue;
        }
        r = sd_bus_process(bus, NULL);
        if (r == 0)
            r = sd_bus_wait(bus, UINT64_MAX);
        if (r == -EINTR)
            r = 0;
    }
    return r;
}

static void add(struct round *round, uint32_t pid, uint64_t number)
{
    round->kicks[round->n++] = (struct kick){.round = round, .pid = pid, .number = number};
}

static void add_ids(struct round *round, char **ids)
{
    size_t n = 0;

    while (ids[n])
        n++;
    round->kicks = base_checked(calloc(n, sizeof(*round->kicks)));
    for (size_t i = 0; i < n; i++) {
        uint64_t number;
        uint32_t pid;

        if (session_id_parse(ids[i], &pid, &number)) // as options.c has seen
            add(round, pid, number);
    }
}

// Whoever may not end sessions hears that, whether there is one to be ended or not: there is no
// process 0, so this call ends nothing.
static int ask_permission(sd_bus *bus, const struct round *round)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message *call = NULL;
    int status = EX_OK, r = link_new(bus, "EndSession", &call);

    if (r >= 0)
        r = sd_bus_message_append(call, "uts", (uint32_t)0, UINT64_C(1), round->how);
    if (r >= 0)
        r = sd_bus_call(bus, call, round->timeout_usec, &error, NULL);
    if (r < 0 && !sd_bus_error_has_name(&error, "tcpd.Error.NotFound"))
        status = link_fail(&error, r);
    sd_bus_error_free(&error);
    (void)sd_bus_message_unref(call);
    return status;
}

// Those that are there now.
static int add_choice(sd_bus *bus, const struct options *options, struct round *round)
{
    const struct session_options *wanted = &options->sessions;
    const struct session_filter filter = {.service = wanted->service ? wanted->service : "",
                                          .peer = wanted->peer,
                                          .older_usec = wanted->older_usec,
                                          .doing = wanted->doing};
    struct sessions sessions;
    int status = ask_permission(bus, round);

    round->is_choice = true;
    if (status == EX_OK)
        status = sessions_ask(bus, &filter, options->timeout_usec, &sessions);
    if (status != EX_OK)
        return status;
    round->kicks = base_checked(calloc(sessions.n + 1, sizeof(*round->kicks)));
    for (size_t i = 0; i < sessions.n; i++)
        if (sessions.rows[i].number > 0)
            add(round, sessions.rows[i].pid, sessions.rows[i].number);
    sessions_done(&sessions);
    return EX_OK;
}

static const char *how_of(const struct session_options *wanted)
{
    if (session_options_has(wanted, SESSION_KILL))
        return "kill";
    return session_options_has(wanted, SESSION_RESET) ? "reset" : "close";
}

int kick_run(sd_bus *bus, const struct options *options)
{
    struct round round = {.how = how_of(&options->sessions),
                          .timeout_usec = options->timeout_usec,
                          .json = options->json,
                          .status = EX_OK};
    int r;

    if (options->sessions.ids[0])
        add_ids(&round, options->sessions.ids);
    else
        round.status = add_choice(bus, options, &round);
    if (round.status == EX_OK) {
        if (round.json)
            (void)fputs("{\"schema\":1,\"ended\":[", stdout);
        r = carry_out(bus, &round);
        if (r < 0)
            round.status = link_fail(NULL, r);
        if (round.json)
            (void)fputs("]}\n", stdout);
        else if (round.is_choice && (round.status == EX_OK || round.n_ended > 0))
            (void)printf("%zu session%s ended\n", round.n_ended, PLURAL(round.n_ended));
    }
    free(round.kicks);
    return round.status;
}
