// SPDX-License-Identifier: MIT
// Checks of programs. Each says what cannot be, and why, in terms of what was written.

#include "program/program_check.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/answers.h"
#include "base/base.h"
#include "program/program_check_private.h"
#include "program/program_environment.h"

#define LEFT_OUT "why it is left out"

void program_refuse(const struct check *check, struct problems *problems, const char *setting,
                    const char *value, const char *what)
{
    int line = section_line(check->section, setting);

    problems_add(problems, check->service->file, line > 0 ? line : check->service->line,
                 "%s%s%s%s of service \"%s\": %s", setting, value ? " = \"" : "",
                 value ? value : "", value ? "\"" : "", check->service->name, what);
}

static void refuse(const struct check *check, const char *setting, const char *value,
                   const char *what)
{
    program_refuse(check, check->problems, setting, value, what);
}

// What is wrong with an argument for a shell that asks for a variable of the peer: $NAME or
// ${NAME}. NULL: nothing.
static const char *wrong_with(const char *argument, enum program_mode mode)
{
    const char *reason = NULL;

    for (const char *at = strchr(argument, '$'); at && !reason; at = strchr(at + 1, '$')) {
        const char *name = at + 1 + (at[1] == '{');
        size_t length = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");

        reason = program_why_no_peer(mode, name, length);
    }
    return reason;
}

static void check_arguments(const struct check *check)
{
    const struct text_list *argv = &check->options->argv;

    for (size_t i = 1; i < argv->n; i++) {
        const char *reason = wrong_with(argv->items[i], check->options->mode);

        if (reason)
            refuse(check, "program", argv->items[i], reason);
    }
}

// Whether tcpd passes the bytes of some clients on: a program does not speak what they speak.
static bool is_relayed(const struct service *service)
{
    for (size_t i = 0; i < service->listen.n; i++)
        if (service->listen.items[i].spec.speaks == SPEAKS_WS)
            return true;
    return false;
}

static const char reads_itself[] = "with program_mode = connection the program has the socket, "
                                   "and tcpd sees no byte; session_timeout and program_timeout "
                                   "bound the whole session";
static const char accepts_itself[] = "with program_mode = listener the program accepts its "
                                     "clients by itself, and tcpd sees no session";
static const char is_not_tried[] = "only a program that accepts by itself, program_mode = "
                                   "listener, takes a time until it is considered ready";
static const char copies[] = "with program_mode = listener there are min_workers copies of the "
                             "program, no more and no fewer";
static const char takes_itself[] = "with program_mode = wait the program takes its clients by "
                                   "itself, and tcpd sees none of them; program_timeout "
                                   "bounds a run of it";
static const char is_one[] = "with program_mode = wait one worker waits at each listener, and "
                             "runs the program once at a time";

// Options that a mode cannot honour.
static const struct {
    const char *setting;
    enum program_mode mode;
    const char *reason;
} rules[] = {
    {"first_byte_timeout", PROGRAM_CONNECTION, reads_itself},
    {"idle_timeout", PROGRAM_CONNECTION, reads_itself},
    {"first_byte_timeout", PROGRAM_WAIT, takes_itself},
    {"idle_timeout", PROGRAM_WAIT, takes_itself},
    {"send_timeout", PROGRAM_WAIT, takes_itself},
    {"session_timeout", PROGRAM_WAIT, takes_itself},
    {"min_workers", PROGRAM_WAIT, is_one},
    {"max_workers", PROGRAM_WAIT, is_one},
    {"spare_workers", PROGRAM_WAIT, is_one},
    {"first_byte_timeout", PROGRAM_LISTENER, accepts_itself},
    {"idle_timeout", PROGRAM_LISTENER, accepts_itself},
    {"send_timeout", PROGRAM_LISTENER, accepts_itself},
    {"session_timeout", PROGRAM_LISTENER, accepts_itself},
    {"program_timeout", PROGRAM_LISTENER, accepts_itself},
    {"kill_mode", PROGRAM_LISTENER,
     "with program_mode = listener a copy of the program is a worker, and is ended as one"},
    {"kill_grace", PROGRAM_LISTENER,
     "with program_mode = listener stop_timeout is the time "
     "that the program has to end"},
    {"max_sessions_per_worker", PROGRAM_LISTENER, accepts_itself},
    {"success_status", PROGRAM_LISTENER, accepts_itself},
    {"allow", PROGRAM_LISTENER, accepts_itself},
    {"deny", PROGRAM_LISTENER, accepts_itself},
    {"refusal_text", PROGRAM_LISTENER, accepts_itself},
    {"unit_filter", PROGRAM_LISTENER, "with program_mode = listener there is no allow nor deny"},
    {"allow", PROGRAM_WAIT, takes_itself},
    {"deny", PROGRAM_WAIT, takes_itself},
    {"refusal_text", PROGRAM_WAIT, takes_itself},
    {"unit_filter", PROGRAM_WAIT, "with program_mode = wait there is no allow nor deny"},
    {"proxy_protocol", PROGRAM_LISTENER, accepts_itself},
    {"proxy_trusted", PROGRAM_LISTENER, accepts_itself},
    {"proxy_timeout", PROGRAM_LISTENER, accepts_itself},
    {"proxy_version", PROGRAM_LISTENER, accepts_itself},
    {"proxy_unknown", PROGRAM_LISTENER, accepts_itself},
    {"proxy_protocol", PROGRAM_WAIT, takes_itself},
    {"proxy_trusted", PROGRAM_WAIT, takes_itself},
    {"proxy_timeout", PROGRAM_WAIT, takes_itself},
    {"proxy_version", PROGRAM_WAIT, takes_itself},
    {"proxy_unknown", PROGRAM_WAIT, takes_itself},
    {"ready_time", PROGRAM_CONNECTION, is_not_tried},
    {"ready_time", PROGRAM_PRESTART, is_not_tried},
    {"ready_time", PROGRAM_WAIT, is_not_tried},
    {"max_workers", PROGRAM_LISTENER, copies},
    {"spare_workers", PROGRAM_LISTENER, copies},
};

// Of clients that tcpd does not see it knows no source.
static const char *const of_sources[] = {
    "source_connections", "source_rate",     "source_burst",    "source_prefix4", "source_prefix6",
    "source_exempt",      "source_overflow", "source_table",    "source_dry_run", "penalty_crash",
    "penalty_protocol",   "penalty_timeout", "penalty_refused", "penalty_min",    "penalty_max",
};

static void check_sources(const struct check *check)
{
    const char *reason = check->options->mode == PROGRAM_WAIT ? takes_itself : accepts_itself;

    if (check->options->mode != PROGRAM_LISTENER && check->options->mode != PROGRAM_WAIT)
        return;
    for (size_t i = 0; i < ELEMENTS(of_sources); i++) {
        if (section_line(check->section, of_sources[i]) != 0)
            refuse(check, of_sources[i], NULL, reason);
        section_mark_unused(check->section, of_sources[i]);
    }
}

static void check_mode(const struct check *check)
{
    check_sources(check);
    for (size_t i = 0; i < ELEMENTS(rules); i++)
        if (rules[i].mode == check->options->mode &&
            !(rules[i].reason == reads_itself && is_relayed(check->service))) {
            if (section_line(check->section, rules[i].setting) != 0)
                refuse(check, rules[i].setting, NULL, rules[i].reason);
            section_mark_unused(check->section, rules[i].setting);
        }
}

// Limits that tcpd, not being root, cannot raise.
static void check_limits(const struct check *check)
{
    const struct program_options *options = check->options;
    const struct {
        const char *setting;
        __rlimit_resource_t resource;
        int64_t value;
    } limits[] = {
        {"limit_nofile", RLIMIT_NOFILE, options->limit_nofile},
        {"limit_as", RLIMIT_AS, options->limit_as},
        {"limit_core", RLIMIT_CORE, options->limit_core},
        {"limit_nproc", RLIMIT_NPROC, options->limit_nproc},
        {"limit_cpu", RLIMIT_CPU,
         options->limit_cpu_usec > 0 ? (int64_t)(options->limit_cpu_usec / USEC_PER_SEC) : INHERIT},
    };
    struct rlimit own;

    if (geteuid() == 0)
        return;
    for (size_t i = 0; i < ELEMENTS(limits); i++)
        if (limits[i].value != INHERIT && getrlimit(limits[i].resource, &own) == 0 &&
            (rlim_t)limits[i].value > own.rlim_max)
            refuse(check, limits[i].setting, NULL,
                   "is above the hard limit that tcpd runs with, and only root may raise it");
    if (options->nice != INHERIT && getrlimit(RLIMIT_NICE, &own) == 0 &&
        options->nice < getpriority(PRIO_PROCESS, 0) && 20 - options->nice > (int64_t)own.rlim_cur)
        refuse(check, "nice", NULL, "is below tcpd's own, and only root may lower it");
}

static void check_user(const struct check *check)
{
    struct identity *identity = &check->options->identity;
    const char *setting = identity->user ? "user" : "group";
    const char *wrong = program_find_user(identity);

    if (!wrong)
        return;
    refuse(check, setting, identity->user ? identity->user : identity->group, wrong);
    identity->changes = false; // what follows is looked at as tcpd
}

// The processes that a worker has besides itself: its program, or one that serves and one that is
// ready.
static void count_processes(struct service *service, const struct program_options *options)
{
    enum program_mode mode = options->mode;
    static const struct {
        unsigned n_idle, n_busy;
    } beside[PROGRAM_MODES] = {
        [PROGRAM_CONNECTION] = {0, 1}, [PROGRAM_PRESTART] = {1, 2}, [PROGRAM_WAIT] = {0, 1}};

    service->n_idle_beside = beside[mode].n_idle;
    service->n_busy_beside = beside[mode].n_busy;
    service->accepts_itself = mode == PROGRAM_LISTENER;
    service->leaves_clients = mode == PROGRAM_LISTENER || mode == PROGRAM_WAIT;
    service->ready_usec = options->ready_usec;
    if (mode == PROGRAM_WAIT)
        service->min_workers = 1;
    if (service->leaves_clients) {
        service->max_workers = service->min_workers;
        service->spare_workers = 0;
    }
}

static void check_success(const struct check *check)
{
    const struct text_list *list = &check->options->success;

    for (size_t i = 0; i < list->n; i++)
        if (program_parse_end(list->items[i]) < 0)
            refuse(check, "success_status", list->items[i],
                   "write an exit status from 0 to 255, or the name of a signal");
}

static void note_left_out(const struct service *service)
{
    char about[96];

    for (size_t i = 0; i < service->left_out.n; i++) {
        const char *text = service->left_out.texts[i];

        (void)snprintf(about, sizeof(about), "%s %zu", service->name, i);
        answers_note(LEFT_OUT, about, text, strlen(text) + 1);
    }
}

static void recall_left_out(struct service *service)
{
    struct answer answer;
    char about[96];

    problems_done(&service->left_out);
    do {
        (void)snprintf(about, sizeof(about), "%s %zu", service->name, service->left_out.n);
        if (answers_find(LEFT_OUT, about, &answer) <= 0)
            return;
        problems_add_text(&service->left_out, answer.bytes, NULL);
    } while (service->left_out.n < PROBLEMS_MAX);
}

void program_check(struct service *service, const struct section *section,
                   struct problems *problems)
{
    const struct check check = {
        .service = service, .options = service->options, .section = section, .problems = problems};

    bool has_seen = answers_are_given(); // somebody else, who has found nothing wrong

    check_user(&check);
    if (check.options->argv.n == 0)
        problems_add(problems, service->file, service->line,
                     "service \"%s\" needs program = {\"/PATH\", \"ARGUMENT\", ...}",
                     service->name);
    if (!has_seen)
        program_check_files(&check);
    check_arguments(&check);
    program_read_variables(&check);
    if (!has_seen && check.options->argv.n > 0)
        program_check_size(&check);
    if (has_seen)
        recall_left_out(service);
    else
        note_left_out(service);
    check_success(&check);
    check_limits(&check);
    check_mode(&check);
    count_processes(service, check.options);
    service->leaves_processes = check.options->kill_mode != KILL_GROUP;
}
