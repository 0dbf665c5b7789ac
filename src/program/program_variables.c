// SPDX-License-Identifier: MIT
// What `environment` and `environment_file` give to a program, and whether the kernel takes it.

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/base.h"
#include "base/file.h"
#include "program/program_check_private.h"
#include "program/program_environment.h"
#include "program/program_environment_file.h"
#include "program/program_sandbox.h"

#define FILE_BYTES     ((size_t)1 << 20)
#define STACK_BYTES    ((rlim_t)6 << 20) // execve(2): three quarters of the default stack, at most
#define LEAST_BYTES    ((rlim_t)128 << 10)
#define PAGES_OF_TEXT  32      // MAX_ARG_STRLEN
#define OF_INTERPRETER 512     // what a script's first line adds
#define PROTOCOL       "PROTO" // one for all peers of a listener

const char *program_why_no_peer(enum program_mode mode, const char *name, size_t length)
{
    static const char *const reasons[PROGRAM_MODES] = {
        [PROGRAM_PRESTART] =
            "with program_mode = prestart the program runs before there is a client, and its "
            "environment is fixed at its start; program_mode = connection has these variables",
        [PROGRAM_WAIT] =
            "with program_mode = wait the program takes its clients by itself, and recvfrom(2) or "
            "accept(2) says who they are",
        [PROGRAM_LISTENER] =
            "with program_mode = listener the program accepts its clients by itself, and asks "
            "getpeername(2) who they are",
    };
    bool is_protocol = length == strlen(PROTOCOL) && strncmp(name, PROTOCOL, length) == 0;

    if (!environment_is_of_peer(name, length) || (is_protocol && mode == PROGRAM_WAIT))
        return NULL;
    return reasons[mode];
}

static bool is_name(const char *name, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)name[i]) && name[i] != '_')
            return false;
    return length > 0 && !isdigit((unsigned char)name[0]);
}

// Why an entry cannot be, NULL: it can. data: the check.
static const char *why_not(const char *entry, const void *data)
{
    const struct check *check = data;
    size_t length = strcspn(entry, "=");
    const char *no_peer = program_why_no_peer(check->options->mode, entry, length);

    if (no_peer)
        return no_peer;
    if (environment_is_ours(entry, length))
        return "only tcpd sets this variable";
    if (entry[length] != '=' || !is_name(entry, length))
        return "write NAME=VALUE, the name of letters, digits and '_'";
    return NULL;
}

// A word instead of a variable says what of tcpd's own environment comes before; the last one
// counts.
static bool is_word(const char *entry, bool *ret_inherits)
{
    bool inherits = strcmp(entry, "inherit") == 0;

    if (!inherits && strcmp(entry, "clean") != 0)
        return false;
    *ret_inherits = inherits;
    return true;
}

static void add_entries(const struct check *check, struct text_list *ret)
{
    const struct text_list *given = &check->options->environment;

    for (size_t i = 0; i < given->n; i++) {
        const char *entry = given->items[i], *wrong;

        if (is_word(entry, &check->options->inherits_environment))
            continue;
        wrong = why_not(entry, check);
        if (wrong)
            program_refuse(check, check->problems, "environment", entry, wrong);
        else
            text_list_add(ret, entry);
    }
}

static void say_unread(const struct check *check, const char *given, const char *path, int error)
{
    const struct sandbox_part *part = error == EFBIG ? NULL : sandbox_hides(path);
    char what[200];

    if (part)
        (void)snprintf(what, sizeof(what), "%s is hidden by %s of the unit; see programs.conf",
                       part->path, part->directive);
    else
        (void)snprintf(what, sizeof(what), "%s",
                       error == EFBIG ? "longer than 1 MiB" : strerror(error));
    program_refuse(check, part ? &check->service->left_out : check->problems, "environment_file",
                   given, what);
}

// A path begins at the configuration's own folder. With '-' before it there need be no file.
static void add_file(const struct check *check, const char *given, struct text_list *ret)
{
    const char *name = given + (*given == '-'), *file = check->service->file;
    const char *slash = name[0] != '/' ? strrchr(file, '/') : NULL;
    cleanup_free char *path = NULL;
    struct file_text text = {0};
    int r;

    if (asprintf(&path, "%.*s%s", slash ? (int)(slash - file) + 1 : 0, file, name) < 0)
        base_out_of_memory();
    r = file_read(path, FILE_BYTES, &text);
    if (r == -ENOENT && name != given)
        return;
    if (r < 0)
        say_unread(check, given, path, -r);
    else if (strlen(text.bytes) < text.n)
        program_refuse(check, check->problems, "environment_file", given, "holds a NUL byte");
    else
        environment_file_parse(text.bytes, path, why_not, check, ret, check->problems);
    free(text.bytes);
}

void program_read_variables(const struct check *check)
{
    struct program_options *options = check->options;

    for (size_t i = 0; i < options->environment_files.n; i++)
        add_file(check, options->environment_files.items[i], &options->variables);
    add_entries(check, &options->variables);
}

// What texts take, and their pointers. *ret_longest: the first that is too long, if any.
static size_t measure(char *const *texts, size_t max, const char **ret_longest)
{
    size_t sum = 0;

    for (; *texts; texts++) {
        size_t size = strlen(*texts) + 1;

        sum += size + sizeof(char *);
        if (size > max && !*ret_longest)
            *ret_longest = *texts;
    }
    return sum;
}

static size_t find_limit(void)
{
    struct rlimit stack = {.rlim_cur = RLIM_INFINITY};
    rlim_t limit;

    (void)getrlimit(RLIMIT_STACK, &stack); // cannot fail
    limit = stack.rlim_cur / 4 < STACK_BYTES ? stack.rlim_cur / 4 : STACK_BYTES;
    return limit > LEAST_BYTES ? limit : LEAST_BYTES;
}

static void refuse_text(const struct check *check, const char *setting, const char *text,
                        int n_shown, size_t max)
{
    char what[200];

    (void)snprintf(what, sizeof(what),
                   "\"%.*s ...\" has %zu bytes; the kernel takes at most %zu, see execve(2)",
                   n_shown, text, strlen(text), max - 1);
    program_refuse(check, check->problems, setting, NULL, what);
}

void program_check_size(const struct check *check)
{
    const struct program_options *options = check->options;
    size_t max = PAGES_OF_TEXT * (size_t)sysconf(_SC_PAGESIZE), limit = find_limit(), sum;
    const char *argument = NULL, *variable = NULL;
    struct environment environment;
    char what[200];

    if (environment_open(&environment, options) < 0)
        base_out_of_memory();
    sum = measure(program_arguments(options), max, &argument) +
          measure(environment.entries, max, &variable) + strlen(program_file(options)) + 1 +
          ENVIRONMENT_TEXT + ENVIRONMENT_FACTS + ENVIRONMENT_OF_SESSION * sizeof(char *) +
          OF_INTERPRETER;
    free(environment.entries);
    if (argument)
        refuse_text(check, "program", argument, 20, max);
    if (variable)
        refuse_text(check, "environment", variable, (int)strcspn(variable, "="), max);
    if (argument || variable || sum <= limit)
        return;
    (void)snprintf(what, sizeof(what),
                   "its arguments and variables take %zu bytes; the kernel takes at most %zu, a "
                   "quarter of the limit of the stack, see execve(2)",
                   sum, limit);
    program_refuse(check, check->problems, "program", NULL, what);
}
