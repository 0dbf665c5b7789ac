// SPDX-License-Identifier: MIT
// The configuration that the settings of `tcpd run` make: at the start, and anew at each reload, so
// that a program that has moved is found again. Reads and writes no file. What is wrong are
// problems, as in a file.

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/answers.h"
#include "base/base.h"
#include "config/config_check.h"
#include "config/config_sections.h"
#include "handlers/handlers.h"
#include "run/run.h"

#define NAME_MAX_LENGTH 64
#define SEARCH          "PATH for"

char *run_name(const char *program)
{
    const char *base = basename(program);
    char *name = base_checked(strndup(*base != '\0' ? base : "program", NAME_MAX_LENGTH));

    for (char *p = name; *p; p++)
        if (!strchr(config_name_characters, *p))
            *p = '-';
    return name;
}

// Settings on a command line stand in no line.
static const struct place given = {.file = RUN_SOURCE, .line = -1};

struct loading {
    const struct reader_language *language;
    struct section *file, *service, *certificate;
    bool has_certificate; // a setting of it was given
    struct problems *problems;
    bool lost; // the program is nowhere, so there is nothing to look at
};

// The absolute path, an owned text. No path stays none.
static char *make_absolute(const char *path)
{
    bool is_relative = *path != '/' && *path != '\0';
    cleanup_free char *here = is_relative ? getcwd(NULL, 0) : NULL;
    char *absolute = NULL;

    if (!here)
        return base_checked(strdup(path)); // what cannot be made absolute is refused as such
    if (asprintf(&absolute, "%s/%s", here, path) < 0)
        base_out_of_memory();
    return absolute;
}

static bool can_execute(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

// The path of the program in PATH, an owned text; NULL: it is not there.
static char *search(const char *name)
{
    const char *path = getenv("PATH");
    size_t length;

    for (path = path ? path : "/usr/local/bin:/usr/bin:/bin";; path += length + 1) {
        cleanup_free char *found = NULL;

        length = strcspn(path, ":"); // none is the current directory
        if (asprintf(&found, "%.*s%s%s", (int)length, path, length > 0 ? "/" : "./", name) < 0)
            base_out_of_memory();
        if (can_execute(found))
            return make_absolute(found);
        if (path[length] == '\0')
            return NULL;
    }
}

static char *look_up(const char *name)
{
    struct answer answer;
    char *found;
    int r = answers_find(SEARCH, name, &answer);

    if (r != 0)
        return r > 0 && answer.size > 0 ? base_checked(strdup(answer.bytes)) : NULL;
    found = search(name);
    answers_note(SEARCH, name, found, found ? strlen(found) + 1 : 0);
    return found;
}

// Where a program is, as an owned text; NULL: it was not found, which is a problem then. With '@'
// in front, which stays there, it has a name of its own.
static char *locate_program(struct loading *loading, const char *text)
{
    const char *name = text + (*text == '@');
    cleanup_free char *found = strchr(name, '/') ? make_absolute(name) : look_up(name);
    char *located = NULL;

    if (found && asprintf(&located, "%s%s", name != text ? "@" : "", found) < 0)
        base_out_of_memory();
    if (located)
        return located;
    loading->lost = true;
    problems_add(loading->problems, RUN_SOURCE, 0, "program: \"%s\" is not in PATH; %s", name,
                 strchr(name, ' ')
                     ? "each argument is a word of its own, without quotes around all of them"
                     : "name a program that is, or write a path with a /");
    return NULL;
}

// What the text of a setting says of where a file is, made absolute, as an owned text; NULL: it
// says nothing, or the file was not found.
static char *locate(struct loading *loading, const struct run_setting *setting)
{
    static const char *const files[] = {"module", "chain", "key", "tls_client_ca",
                                        "tls_client_crl"};

    for (size_t i = 0; i < ELEMENTS(files); i++)
        if (strcmp(setting->name, files[i]) == 0)
            return make_absolute(setting->text);
    if (strcmp(setting->name, "program") == 0 && section_line(loading->service, "program") == 0)
        return locate_program(loading, setting->text);
    return NULL;
}

static void apply(struct loading *loading, const struct run_setting *setting)
{
    cleanup_free char *located = locate(loading, setting);
    const char *text = located ? located : setting->text;
    char hint[96];

    if (section_find(loading->certificate, setting->name)) {
        loading->has_certificate = true;
        (void)section_set(loading->certificate, setting->name, text, &given);
        return;
    }
    if (!section_set(loading->service, setting->name, text, &given) &&
        !section_set(loading->file, setting->name, text, &given))
        problems_add(loading->problems, RUN_SOURCE, 0, "there is no option %s; %s", setting->name,
                     reader_hint(loading->language, loading->service->kind, setting->name, hint,
                                 sizeof(hint)));
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
    cleanup_free char *name = make_name(run);
    struct config_sections sections;
    struct loading loading = {.language = &sections.language, .problems = problems};

    config_sections_open(&sections, handlers, problems);
    loading.file = section_new(&sections.file, sections.config, problems);
    loading.service = section_new(&sections.kinds[SECTION_SERVICE], NULL, problems);
    loading.certificate = section_new(&sections.kinds[SECTION_CERTIFICATE], NULL, problems);
    for (size_t i = 0; i < run->n_settings; i++)
        apply(&loading, &run->settings[i]);
    section_free(loading.file);
    if (loading.has_certificate)
        section_end(loading.certificate, RUN_CERTIFICATE, given.line, &given);
    else
        section_free(loading.certificate);
    if (loading.lost)
        section_free(loading.service);
    else
        section_end(loading.service, name, given.line, &given);
    config_sections_close(&sections);
    return sections.config;
}
