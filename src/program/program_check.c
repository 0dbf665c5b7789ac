// SPDX-License-Identifier: MIT
// Checks of programs. Each says what cannot be, and why, in terms of what was written.

#include "program/program_check.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/answers.h"
#include "base/base.h"
#include "program/program_environment.h"

struct check {
    struct service *service;
    const struct program_options *options;
    const struct section *section;
    struct problems *problems;
};

// Adds "SETTING = VALUE of service ...: WHAT" at the line of the setting, or the section's end.
static void refuse(const struct check *check, const char *setting, const char *value,
                   const char *what)
{
    int line = section_line(check->section, setting);

    problems_add(check->problems, check->service->file, line > 0 ? line : check->service->line,
                 "%s%s%s%s of service \"%s\": %s", setting, value ? " = \"" : "",
                 value ? value : "", value ? "\"" : "", check->service->name, what);
}

// The interpreter of a script, in text; "" for a file that is none or that cannot be read. False: a
// text that the kernel does not execute.
static bool find_interpreter(const char *path, char *text, size_t size)
{
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, size - 1) : -1;
    char *start = text + 2;

    if (n < 2 || text[0] == '\177' || memchr(text, '\0', (size_t)n)) { // unknown, or no text
        text[0] = '\0';
        return true;
    }
    text[n] = '\0';
    if (strncmp(text, "#!", 2) != 0)
        return false;
    start += strspn(start, " \t");
    start[strcspn(start, " \t\r\n")] = '\0';
    memmove(text, start, strlen(start) + 1);
    return true;
}

static void check_script(const struct check *check, const char *path)
{
    char interpreter[256], what[sizeof(interpreter) + 80];

    if (!find_interpreter(path, interpreter, sizeof(interpreter)))
        refuse(check, "program", path,
               "is a text that does not begin with #!, and no shell runs it");
    else if (interpreter[0] == '/' && faccessat(AT_FDCWD, interpreter, X_OK, AT_EACCESS) < 0) {
        (void)snprintf(what, sizeof(what), "its interpreter %s: %s", interpreter, strerror(errno));
        refuse(check, "program", path, what);
    }
}

static bool is_in_group(const struct identity *identity, gid_t group)
{
    for (size_t i = 0; i < identity->n_groups; i++)
        if (identity->groups[i] == group)
            return true;
    return identity->gid == group;
}

// Whether the file's mode lets another user than tcpd's execute it.
static bool may_execute(const struct identity *identity, const struct stat *st)
{
    if (!identity->changes || identity->uid == 0)
        return true;
    if (st->st_uid == identity->uid)
        return (st->st_mode & S_IXUSR) != 0;
    return (st->st_mode & (is_in_group(identity, st->st_gid) ? S_IXGRP : S_IXOTH)) != 0;
}

static void check_file(const struct check *check)
{
    const char *path = check->options->argv.n > 0 ? program_file(check->options) : NULL;
    struct stat st;

    if (!path)
        problems_add(check->problems, check->service->file, check->service->line,
                     "service \"%s\" needs program = {\"/PATH\", \"ARGUMENT\", ...}",
                     check->service->name);
    else if (path[0] == '@')
        refuse(check, "program", path,
               "after a path with @, the next entry must be the program's name");
    else if (path[0] != '/')
        refuse(check, "program", path, "write the absolute path; PATH is not searched");
    else if (stat(path, &st) < 0)
        refuse(check, "program", path, strerror(errno));
    else if (!S_ISREG(st.st_mode))
        refuse(check, "program", path,
               S_ISDIR(st.st_mode) ? "is a directory" : "is not a regular file");
    else if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0)
        refuse(check, "program", path,
               errno == EACCES ? "cannot be executed: its mode, or the sandbox, forbids it"
                               : strerror(errno));
    else if (!may_execute(&check->options->identity, &st))
        refuse(check, "program", path, "may not be executed by the user that it runs as");
    else
        check_script(check, path);
}

static void check_directory(const struct check *check)
{
    const char *path = check->options->directory;
    struct stat st;

    if (!path)
        return;
    if (path[0] != '/')
        refuse(check, "working_directory", path, "write the absolute path");
    else if (stat(path, &st) < 0)
        refuse(check, "working_directory", path, strerror(errno));
    else if (!S_ISDIR(st.st_mode))
        refuse(check, "working_directory", path, "is not a directory");
}

// Why the program cannot have variables of a peer, if so.
static const char *why_no_peer(enum program_mode mode)
{
    static const char *const reasons[PROGRAM_MODES] = {
        [PROGRAM_PRESTART] =
            "with program_mode = prestart the program runs before there is a client, and its "
            "environment is fixed at its start; program_mode = connection has these variables",
        [PROGRAM_LISTENER] =
            "with program_mode = listener the program accepts its clients by itself, and asks "
            "getpeername(2) who they are",
    };

    return reasons[mode];
}

static bool is_name(const char *name, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)name[i]) && name[i] != '_')
            return false;
    return length > 0 && !isdigit((unsigned char)name[0]);
}

static void check_environment(const struct check *check)
{
    const struct text_list *list = &check->options->environment;
    const char *reason = why_no_peer(check->options->mode);

    for (size_t i = 0; i < list->n; i++) {
        const char *entry = list->items[i];
        size_t length = strcspn(entry, "=");

        if (reason && environment_is_of_peer(entry, length))
            refuse(check, "environment", entry, reason);
        else if (environment_is_ours(entry, length))
            refuse(check, "environment", entry, "only tcpd sets this variable");
        else if (entry[length] != '=' || !is_name(entry, length))
            refuse(check, "environment", entry,
                   "write NAME=VALUE, the name of letters, digits and '_'");
    }
}

// Whether an argument for a shell asks for a variable of the peer: $NAME or ${NAME}.
static bool asks_for_peer(const char *argument)
{
    for (const char *at = strchr(argument, '$'); at; at = strchr(at + 1, '$')) {
        const char *name = at + 1 + (at[1] == '{');
        size_t length = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");

        if (environment_is_of_peer(name, length))
            return true;
    }
    return false;
}

static void check_arguments(const struct check *check)
{
    const struct text_list *argv = &check->options->argv;
    const char *reason = why_no_peer(check->options->mode);

    for (size_t i = 1; reason && i < argv->n; i++)
        if (asks_for_peer(argv->items[i]))
            refuse(check, "program", argv->items[i], reason);
}

// Options that were given, and that the mode cannot honour.
static void check_mode(const struct check *check)
{
    static const char reads_itself[] = "with program_mode = connection the program has the socket, "
                                       "and tcpd sees no byte; session_timeout and program_timeout "
                                       "bound the whole session";
    static const char accepts_itself[] = "with program_mode = listener the program accepts its "
                                         "clients by itself, and tcpd sees no session";
    static const char copies[] = "with program_mode = listener there are min_workers copies of the "
                                 "program, no more and no fewer";
    static const struct {
        const char *setting;
        enum program_mode mode;
        const char *reason;
    } rules[] = {
        {"first_byte_timeout", PROGRAM_CONNECTION, reads_itself},
        {"idle_timeout", PROGRAM_CONNECTION, reads_itself},
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
        {"max_workers", PROGRAM_LISTENER, copies},
        {"spare_workers", PROGRAM_LISTENER, copies},
    };

    for (size_t i = 0; i < ELEMENTS(rules); i++)
        if (rules[i].mode == check->options->mode &&
            section_line(check->section, rules[i].setting) != 0)
            refuse(check, rules[i].setting, NULL, rules[i].reason);
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
    struct identity *identity = &((struct program_options *)check->service->options)->identity;
    const char *setting = identity->user ? "user" : "group";
    const char *wrong = program_find_user(identity);

    if (wrong)
        refuse(check, setting, identity->user ? identity->user : identity->group, wrong);
}

// The processes that a worker has besides itself: its program, or one that serves and one that is
// ready.
static void count_processes(struct service *service, enum program_mode mode)
{
    static const struct {
        unsigned n_idle, n_busy;
    } beside[PROGRAM_MODES] = {[PROGRAM_CONNECTION] = {0, 1}, [PROGRAM_PRESTART] = {1, 2}};

    service->n_idle_beside = beside[mode].n_idle;
    service->n_busy_beside = beside[mode].n_busy;
    service->accepts_itself = mode == PROGRAM_LISTENER;
    if (service->accepts_itself) {
        service->max_workers = service->min_workers;
        service->spare_workers = 0;
    }
}

void program_check(struct service *service, const struct section *section,
                   struct problems *problems)
{
    const struct check check = {.service = service,
                                .options = program_options(service),
                                .section = section,
                                .problems = problems};

    check_user(&check);
    if (!answers_are_given()) { // else somebody has looked
        check_file(&check);
        check_directory(&check);
    }
    check_arguments(&check);
    check_environment(&check);
    check_limits(&check);
    check_mode(&check);
    count_processes(service, check.options->mode);
    service->leaves_processes = check.options->kill_mode != KILL_GROUP;
}
