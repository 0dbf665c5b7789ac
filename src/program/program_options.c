// SPDX-License-Identifier: MIT
// The settings of programs; tcpd.conf(5) has the same table.

#include "program/program_options.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/base.h"

static const char *const modes[PROGRAM_MODES] = {[PROGRAM_CONNECTION] = "connection",
                                                 [PROGRAM_PRESTART] = "prestart",
                                                 [PROGRAM_WAIT] = "wait",
                                                 [PROGRAM_LISTENER] = "listener"};
static const char *const kill_modes[KILL_MODES] = {
    [KILL_GROUP] = "group", [KILL_PROGRAM] = "program", [KILL_NONE] = "none"};

#define OPTION(name, kind, field) FIELD(name, kind, struct program_options, field)

// clang-format off
static const struct setting settings[] = {
    {OPTION("program", LIST, argv)},
    {OPTION("program_mode", CHOICE, mode), .initial = "connection", CHOICES(modes)},
    {OPTION("environment", LIST, environment)},
    {OPTION("environment_file", LIST, environment_files), .is_path = true},
    {OPTION("success_status", LIST, success)},
    {OPTION("working_directory", TEXT, directory)},
    {OPTION("umask", MASK, umask), .initial = "inherit", .max = 0777},
    {OPTION("nice", NUMBER, nice), .initial = "inherit", .max = 19},
    {OPTION("limit_nofile", LIMIT, limit_nofile), .initial = "inherit", .min = 3},
    {OPTION("limit_as", LIMIT, limit_as), .initial = "inherit", .min = 4096},
    {OPTION("limit_cpu", SPAN, limit_cpu_usec), .initial = "0"},
    {OPTION("limit_core", LIMIT, limit_core), .initial = "inherit"},
    {OPTION("limit_nproc", LIMIT, limit_nproc), .initial = "inherit", .min = 1},
    {OPTION("program_timeout", SPAN, timeout_usec), .initial = "0"},
    {OPTION("kill_mode", CHOICE, kill_mode), .initial = "group", CHOICES(kill_modes)},
    {OPTION("kill_grace", SPAN, kill_grace_usec), .initial = "5s"},
    {OPTION("ready_time", SPAN, ready_usec), .initial = "1s"},
    {OPTION("user", TEXT, identity.user)},
    {OPTION("group", TEXT, identity.group)},
};
// clang-format on

const struct form program_form = FORM(struct program_options, settings);

const struct program_options *program_options(const struct service *service)
{
    return service->options;
}

void program_options_release(void *options)
{
    struct program_options *program = options;

    free(program->identity.groups);
    text_list_done(&program->identity.login);
    text_list_done(&program->variables);
}

static bool is_named(const struct program_options *program)
{
    return program->argv.items[0][0] == '@' && program->argv.n > 1;
}

const char *program_file(const struct program_options *program)
{
    return program->argv.items[0] + is_named(program);
}

char *const *program_arguments(const struct program_options *program)
{
    return program->argv.items + is_named(program);
}

int program_parse_end(const char *text)
{
    const char *name = strncmp(text, "SIG", 3) == 0 ? text + 3 : text;
    char *end;
    unsigned long number = strtoul(text, &end, 10);

    if (*text >= '0' && *text <= '9')
        return *end == '\0' && number <= 255 ? W_EXITCODE((int)number, 0) : -1;
    for (int signal = 1; signal < NSIG; signal++)
        if (sigabbrev_np(signal) && strcmp(sigabbrev_np(signal), name) == 0)
            return W_EXITCODE(0, signal);
    return -1;
}

bool program_is_success(const struct program_options *program, int status)
{
    if (status == 0)
        return true;
    for (size_t i = 0; i < program->success.n; i++)
        if ((status & ~WCOREFLAG) == program_parse_end(program->success.items[i]))
            return true;
    return false;
}
