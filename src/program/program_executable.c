// SPDX-License-Identifier: MIT
// Files that a program is made of: itself, its interpreter, its working directory. Whether they can
// be used is asked of the kernel, as the user that the program runs as: modes are not all there is.
// What a script begins with tcpd reads itself, as that user may not.

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/base.h"
#include "program/program_check_private.h"
#include "program/program_sandbox.h"

#define SEE "; see programs.conf"

// Why something cannot be used, "": it can.
struct verdict {
    char text[1000];
    bool of_sandbox; // nothing is wrong with it, but where tcpd runs
};

__attribute__((format(printf, 2, 3))) static bool say(struct verdict *verdict, const char *format,
                                                      ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(verdict->text, sizeof(verdict->text), format, arguments);
    va_end(arguments);
    return false;
}

static bool blame_sandbox(struct verdict *verdict, const struct sandbox_part *part)
{
    verdict->of_sandbox = true;
    return say(verdict, "%s is hidden by %s of the unit" SEE, part->path, part->directive);
}

// "/bin/cat -n" as one entry.
static bool has_argument_inside(const char *path)
{
    size_t length = strcspn(path, " ");
    cleanup_free char *first = base_checked(strndup(path, length));

    return path[length] == ' ' && access(first, F_OK) == 0;
}

// As it is to be written: "/bin/cat", "-n"
static const char *split(const char *path, char *text, size_t size)
{
    size_t used = 0;

    text[0] = '\0';
    for (path += strspn(path, " "); *path != '\0' && used < size; path += strspn(path, " ")) {
        size_t length = strcspn(path, " ");

        used += (size_t)snprintf(text + used, size - used, "%s\"%.*s\"", used > 0 ? ", " : "",
                                 (int)length, path);
        path += length;
    }
    return text;
}

static bool say_missing(struct verdict *verdict, const char *path, int error)
{
    const struct sandbox_part *part = sandbox_hides(path);
    char entries[256];

    if (part)
        return blame_sandbox(verdict, part);
    if (has_argument_inside(path))
        return say(verdict, "%s; each argument is an entry of its own: {%s}", strerror(error),
                   split(path, entries, sizeof(entries)));
    return say(verdict, "%s", strerror(error));
}

// Whether the folders on the way can be passed. What is not there says so later.
static bool can_reach(const char *path, struct verdict *verdict)
{
    cleanup_free char *way = base_checked(strdup(path));

    for (char *slash = strchr(way + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        char next = slash[1];
        bool closed;

        slash[1] = '\0'; // behind the slash, so that a file is none
        closed = faccessat(AT_FDCWD, way, X_OK, AT_EACCESS) < 0 && errno == EACCES;
        slash[1] = next;
        if (!closed)
            continue;
        *slash = '\0';
        if (sandbox_hides(way))
            return blame_sandbox(verdict, sandbox_hides(way));
        return say(verdict, "the directory %s is closed to the user that it runs as", way);
    }
    return true;
}

static bool say_not_executed(const char *path, bool changes, struct verdict *verdict)
{
    struct statvfs status;

    if (errno != EACCES)
        return say(verdict, "%s", strerror(errno));
    if (sandbox_forbids_execution(path)) {
        verdict->of_sandbox = true;
        return say(verdict, "cannot be executed: NoExecPaths= of the unit forbids it" SEE);
    }
    if (statvfs(path, &status) == 0 && (status.f_flag & ST_NOEXEC) != 0)
        return say(verdict, "cannot be executed: its file system is mounted with noexec");
    return say(verdict, changes ? "may not be executed by the user that it runs as"
                                : "cannot be executed: its mode forbids it");
}

static bool can_execute(const struct check *check, const char *path, struct verdict *verdict)
{
    struct stat st;

    if (!can_reach(path, verdict))
        return false;
    if (stat(path, &st) < 0)
        return say_missing(verdict, path, errno);
    if (!S_ISREG(st.st_mode))
        return say(verdict, S_ISDIR(st.st_mode) ? "is a directory" : "is not a regular file");
    if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0)
        return say_not_executed(path, check->options->identity.changes, verdict);
    return true;
}

// What the kernel reads of a script: binfmt_script.
struct script {
    char line[256]; // the first one, behind #! and blanks; of a text that is none: anything
    enum { NO_TEXT, NO_SCRIPT, SCRIPT } kind;
};

static void read_script(const char *path, struct script *ret)
{
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    ssize_t n;

    *ret = (struct script){.kind = NO_TEXT};
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return;
    n = read(fd, ret->line, sizeof(ret->line) - 1);
    if (n < 2 || ret->line[0] == '\177' || memchr(ret->line, '\0', (size_t)n))
        return; // a program, or who knows
    ret->kind = strncmp(ret->line, "#!", 2) == 0 ? SCRIPT : NO_SCRIPT;
    ret->line[strcspn(ret->line, "\n")] = '\0';
}

// Takes the CR from the end. False: there is none.
static bool drop_return(char *text)
{
    size_t length = strlen(text);

    if (length == 0 || text[length - 1] != '\r')
        return false;
    text[length - 1] = '\0';
    return true;
}

// A CR belongs to the name that is before it: of the interpreter, or of what env(1) looks for.
// Others may take it for white space.
static bool ends_in_return(char *interpreter, char *rest)
{
    bool of_env = strcmp(basename(interpreter), "env") == 0;

    return drop_return(interpreter) || (of_env && drop_return(rest));
}

static bool can_interpret(const struct check *check, const char *path, struct script *script,
                          struct verdict *verdict)
{
    char *interpreter = script->line + 2 + strspn(script->line + 2, " \t");
    char *rest = interpreter + strcspn(interpreter, " \t");
    struct verdict its = {0};

    if (script->kind == NO_SCRIPT)
        return say(verdict, "is a text that does not begin with #!, and no shell runs it");
    if (*rest != '\0')
        *rest++ = '\0';
    if (ends_in_return(interpreter, rest))
        return say(verdict,
                   "its first line ends in CR LF, so its interpreter is \"%s%s%s\\r\"; end its "
                   "lines in LF alone",
                   interpreter, *rest ? " " : "", rest);
    if (*interpreter == '\0')
        return say(verdict, "names no interpreter behind #!");
    if (*interpreter == '/' && !can_execute(check, interpreter, &its)) {
        verdict->of_sandbox = its.of_sandbox;
        return say(verdict, "its interpreter %s: %s", interpreter, its.text);
    }
    if (faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) < 0)
        return say(verdict,
                   "may not be read by the user that it runs as, so its interpreter cannot");
    return true;
}

// Whether an argument is the path of something that the sandbox hides for good.
static bool has_hidden_argument(const struct program_options *options, struct verdict *verdict)
{
    char *const *argv = program_arguments(options);

    for (size_t i = 1; argv[0] && argv[i]; i++) {
        const struct sandbox_part *part = argv[i][0] == '/' && access(argv[i], F_OK) < 0
                                              ? sandbox_hides(argv[i])
                                              : NULL;

        if (part && !part->is_writable)
            return !say(verdict, "its argument %s: %s is hidden by %s of the unit" SEE, argv[i],
                        part->path, part->directive);
    }
    return false;
}

static void judge_program(const struct check *check, const char *path, struct script *script,
                          struct verdict *ret)
{
    if (!can_execute(check, path, ret))
        return;
    if (script->kind != NO_TEXT && !can_interpret(check, path, script, ret))
        return;
    ret->of_sandbox = has_hidden_argument(check->options, ret);
}

static void judge_directory(const char *path, struct verdict *ret)
{
    struct stat st;

    if (!can_reach(path, ret))
        return;
    if (stat(path, &st) < 0)
        say_missing(ret, path, errno);
    else if (!S_ISDIR(st.st_mode))
        say(ret, "is not a directory");
    else if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 && sandbox_hides(path))
        blame_sandbox(ret, sandbox_hides(path));
    else if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0)
        say(ret, "is closed to the user that it runs as");
}

static void refuse(const struct check *check, const char *setting, const char *value,
                   const struct verdict *verdict)
{
    struct problems *problems = verdict->of_sandbox ? &check->service->left_out : check->problems;

    if (verdict->text[0] != '\0')
        program_refuse(check, problems, setting, value, verdict->text);
}

void program_check_files(const struct check *check)
{
    const struct program_options *options = check->options;
    const char *path = options->argv.n > 0 ? program_file(options) : NULL;
    const char *directory = options->directory;
    struct verdict of_program = {0}, of_directory = {0};
    struct script script = {.kind = NO_TEXT};
    struct borrowed borrowed;
    int r;

    if (path && path[0] == '@')
        say(&of_program, "after a path with @, the next entry must be the program's name");
    else if (path && path[0] != '/')
        say(&of_program, "write the absolute path; PATH is not searched");
    else if (path)
        read_script(path, &script);
    if (directory && directory[0] != '/')
        say(&of_directory, "write the absolute path");
    r = program_user_borrow(&options->identity, &borrowed);
    if (r < 0) {
        program_refuse(check, check->problems, "user", options->identity.user, strerror(-r));
        return;
    }
    if (path && of_program.text[0] == '\0')
        judge_program(check, path, &script, &of_program);
    if (directory && of_directory.text[0] == '\0')
        judge_directory(directory, &of_directory);
    program_user_return(&borrowed);
    refuse(check, "program", path, &of_program);
    refuse(check, "working_directory", directory, &of_directory);
}
