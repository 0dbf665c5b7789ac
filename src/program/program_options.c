// SPDX-License-Identifier: MIT
// The settings of programs; tcpd.conf(5) has the same table.

#include "program/program_options.h"

#include <stdlib.h>

#include "base/base.h"

static const char *const modes[PROGRAM_MODES] = {[PROGRAM_CONNECTION] = "connection",
                                                 [PROGRAM_PRESTART] = "prestart",
                                                 [PROGRAM_LISTENER] = "listener"};
static const char *const kill_modes[KILL_MODES] = {
    [KILL_GROUP] = "group", [KILL_PROGRAM] = "program", [KILL_NONE] = "none"};

#define OPTION(name, kind, field) FIELD(name, kind, struct program_options, field)

// clang-format off
static const struct setting settings[] = {
    {OPTION("program", LIST, argv)},
    {OPTION("program_mode", CHOICE, mode), .initial = "connection", CHOICES(modes)},
    {OPTION("environment", LIST, environment)},
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
