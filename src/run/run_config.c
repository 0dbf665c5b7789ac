// SPDX-License-Identifier: MIT
// The configuration that the settings of `tcpd run` make: at the start, and anew at each reload, so
// that a program that has moved is found again. Reads and writes no file. What is wrong are
// problems, as in a file.

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base.h"
#include "config/config_check.h"
#include "config/settings.h"
#include "run/run.h"

#define GIVEN           (-1) // the line of a setting that stands in no file
#define NAME_MAX_LENGTH 64

static void *check_memory(void *pointer)
{
    if (!pointer)
        abort();
    return pointer;
}

char *run_name(const char *program)
{
    const char *base = basename(program);
    char *name = check_memory(strndup(*base != '\0' ? base : "program", NAME_MAX_LENGTH));

    for (char *p = name; *p; p++)
        if (!strchr(config_name_characters, *p))
            *p = '-';
    return name;
}

struct loading {
    struct config *config;
    struct service *service;
    struct problems *problems;
    int *lines; // of each setting: GIVEN, or 0
    bool lost;  // the program is nowhere, so there is nothing to look at
};

// The absolute path, an owned text. No path stays none.
static char *make_absolute(const char *path)
{
    bool is_relative = *path != '/' && *path != '\0';
    cleanup_free char *here = is_relative ? getcwd(NULL, 0) : NULL;
    char *absolute = NULL;

    if (!here)
        return check_memory(strdup(path)); // what cannot be made absolute is refused as such
    if (asprintf(&absolute, "%s/%s", here, path) < 0)
        abort();
    return absolute;
}

static bool can_execute(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

// The path of the program in PATH, an owned text; NULL: it is not there.
static char *look_up(const char *name)
{
    const char *path = getenv("PATH");
    size_t length;

    for (path = path ? path : "/usr/local/bin:/usr/bin:/bin";; path += length + 1) {
        cleanup_free char *found = NULL;

        length = strcspn(path, ":"); // none is the current directory
        if (asprintf(&found, "%.*s%s%s", (int)length, path, length > 0 ? "/" : "./", name) < 0)
            abort();
        if (can_execute(found))
            return make_absolute(found);
        if (path[length] == '\0')
            return NULL;
    }
}

// Where a program is, as an owned text; NULL: it was not found, which is a problem then. With '@'
// in front, which stays there, it has a name of its own.
static char *locate_program(struct loading *loading, const char *text)
{
    const char *name = text + (*text == '@');
    cleanup_free char *found = strchr(name, '/') ? make_absolute(name) : look_up(name);
    char *located = NULL;

    if (found && asprintf(&located, "%s%s", name != text ? "@" : "", found) < 0)
        abort();
    if (located)
        return located;
    loading->lost = true;
    problems_add(loading->problems, RUN_SOURCE, 0,
                 "program: \"%s\" is not found in PATH; a program that is, or a path with a /",
                 name);
    return NULL;
}

static void place_listen(struct listen *entry)
{
    entry->file = check_memory(strdup(RUN_SOURCE));
}

static void apply_to(const struct loading *loading, int index, const char *text)
{
    const struct setting *setting = &settings[index];
    void *target = setting->global ? (void *)loading->config : (void *)loading->service;
    cleanup_free char *wrong = NULL;

    if (loading->lines[index] != 0 && !settings_is_list(setting)) {
        problems_add(loading->problems, RUN_SOURCE, 0, "%s: is given twice", setting->name);
        return;
    }
    loading->lines[index] = GIVEN;
    wrong = settings_set(setting, target, text);
    if (wrong)
        problems_add(loading->problems, RUN_SOURCE, 0, "%s: %s", setting->name, wrong);
    else if (setting->kind == SETTING_LISTEN)
        place_listen(&loading->service->listen[loading->service->n_listen - 1]);
}

// What the text of a setting says of where a file is, made absolute, as an owned text; NULL: it
// says nothing, or the file was not found.
static char *locate(struct loading *loading, const struct run_setting *given)
{
    if (strcmp(given->name, "module") == 0)
        return make_absolute(given->text);
    if (strcmp(given->name, "program") == 0 && loading->service->options.program.argv.n == 0)
        return locate_program(loading, given->text);
    return NULL;
}

static void apply(struct loading *loading, const struct run_setting *given)
{
    cleanup_free char *located = locate(loading, given);
    int index = settings_find(given->name, false);

    if (index < 0)
        index = settings_find(given->name, true);
    if (index < 0)
        problems_add(loading->problems, RUN_SOURCE, 0,
                     "there is no option %s; tcpd.conf(5) lists all", given->name);
    else
        apply_to(loading, index, located ? located : given->text);
}

static char *make_name(const struct run *run)
{
    const char *of = run_find(run, "program");

    if (of)
        of += *of == '@';
    else
        of = run_find(run, "module");
    return run_name(of ? of : run_find(run, "handler"));
}

struct config *run_load(const struct config_source *source, struct problems *problems)
{
    const struct run *run = source->data;
    struct config *config = check_memory(calloc(1, sizeof(*config)));
    struct service *service = check_memory(calloc(1, sizeof(*service)));
    cleanup_free int *lines = check_memory(calloc(settings_n, sizeof(*lines)));
    struct loading loading = {config, service, problems, lines, false};

    config->n_references = 1;
    config->services = service;
    config->n_services = 1;
    settings_init(config, true);
    settings_init(service, false);
    service->name = make_name(run);
    service->file = check_memory(strdup(RUN_SOURCE));
    for (size_t i = 0; i < run->n_settings; i++)
        apply(&loading, &run->settings[i]);
    if (!loading.lost)
        config_check_service(service, lines, problems);
    config_check_addresses(config, problems);
    return problems->n > 0 ? config_unref(config) : config;
}
