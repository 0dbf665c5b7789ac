// SPDX-License-Identifier: MIT
// Reading tcpd.conf through libconfuse. Every option is a string to the library; settings.c knows
// what it means. Wrong values do not stop the reading, so that one run tells all of them; a syntax
// error does. A configuration with any problem is never returned.

#include "config/config.h"

#include <confuse.h>
#include <errno.h>
#include <glob.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "config/config_check.h"
#include "config/config_text.h"
#include "config/settings.h"

// Stands behind the last line of every file: libconfuse takes the end of the file for the missing
// brace of a section, and then meets this name inside it.
#define SENTINEL "__end_of_file"

#define SETTINGS_MAX 64
#define DEPTH_MAX    10 // files that include each other

// How far a list of values was read.
struct list {
    size_t n;   // values seen, right or wrong
    bool ended; // by its closing brace
    char *last; // the last of them
};

// What is being read. libconfuse hands callbacks no context of ours, hence the pointer.
struct loader {
    struct problems *problems;
    struct config *config;
    struct service draft;  // the service whose section is open
    int depth;             // of includes
    char unknown_name[64]; // the last one, with the quote the library puts behind it
    int n_lines;           // of the file being read
    int error_line;        // where the library last found something wrong
    struct list lists[SETTINGS_MAX];
    int lines[SETTINGS_MAX]; // where each setting was given: of the section, of the file; 0: not
};
static struct loader *loading;

static void *check_memory(void *pointer)
{
    if (!pointer)
        abort();
    return pointer;
}

static void draft_reset(struct service *draft)
{
    config_service_done(draft);
    settings_init(draft, false);
    for (size_t i = 0; i < settings_n; i++)
        if (!settings[i].global) {
            free(loading->lists[i].last);
            loading->lists[i] = (struct list){0};
            loading->lines[i] = 0;
        }
}

static bool in_service(const cfg_t *cfg)
{
    return strcmp(cfg->name, "service") == 0;
}

// The file's last line: the library has read on to the sentinel, or beyond it.
static int last_line(const cfg_t *cfg)
{
    return cfg->line < loading->n_lines ? cfg->line : loading->n_lines;
}

// Our words for an option the library does not know.
static void refuse_name(cfg_t *cfg, const char *name)
{
    const char *service = in_service(cfg) ? cfg_title(cfg) : NULL;

    if (strcmp(name, SENTINEL) == 0)
        problems_add(loading->problems, cfg->filename, last_line(cfg),
                     "the closing brace } of service \"%s\" is missing", service);
    else if (settings_find(name, service != NULL) >= 0)
        problems_add(loading->problems, cfg->filename, cfg->line, "%s belongs %s", name,
                     service ? "before the services, not in one" : "in a service, not outside");
    else
        problems_add(loading->problems, cfg->filename, cfg->line,
                     "there is no option %s; tcpd.conf(5) lists all", name);
}

// Our words for what the library finds wrong; its own where they are clear.
__attribute__((format(printf, 2, 0))) static void on_error(cfg_t *cfg, const char *format,
                                                           va_list arguments)
{
    static const char unknown[] = "no such option '", twice[] = "found duplicate title '",
                      section[] = "missing equal sign after option '";
    cleanup_free char *text = NULL;
    size_t length;

    if (vasprintf(&text, format, arguments) < 0)
        abort();
    loading->error_line = last_line(cfg);
    length = strlen(text);
    if (strncmp(text, unknown, strlen(unknown)) == 0) {
        text[length - 1] = '\0';
        (void)snprintf(loading->unknown_name, sizeof(loading->unknown_name), "%s'",
                       text + strlen(unknown));
        refuse_name(cfg, text + strlen(unknown));
    } else if (strncmp(text, twice, strlen(twice)) == 0) {
        text[length - 1] = '\0';
        loading->error_line++; // it begins there, and would be found again
        problems_add(loading->problems, cfg->filename, cfg->line,
                     "service \"%s\" is configured twice", text + strlen(twice));
    } else if (strncmp(text, section, strlen(section)) == 0 &&
               strcmp(loading->unknown_name, text + strlen(section)) == 0) {
        return; // an unknown word, which was refused as such
    } else if (strcmp(text, "premature end of file") == 0 || strstr(text, SENTINEL)) {
        problems_add(loading->problems, cfg->filename, last_line(cfg),
                     "the file ends too early; a quote or a brace is left open");
    } else {
        problems_add(loading->problems, cfg->filename, last_line(cfg), "%s", text);
    }
}

// Records where the newest element of `listen` stands.
static void place_listen(struct service *service, const cfg_t *cfg)
{
    struct listen *entry = &service->listen[service->n_listen - 1];

    entry->file = check_memory(strdup(cfg->filename));
    entry->line = cfg->line;
}

// The library calls after each value of a list and once more at its closing brace: true then.
static bool is_list_end(const struct list *list, size_t size, const char *value)
{
    return size == list->n && !list->ended && list->last && strcmp(value, list->last) == 0;
}

// True when this value begins the option a second time (for a list, `+=` goes on instead).
static bool is_repeated(int line, const struct list *list, size_t size)
{
    return line != 0 && !(list && size > list->n);
}

static void remember_listed(struct list *list, size_t size, const char *value)
{
    free(list->last);
    list->last = check_memory(strdup(value));
    list->n = size;
    list->ended = false;
}

static int on_value(cfg_t *cfg, cfg_opt_t *opt)
{
    bool global = !in_service(cfg);
    int index = settings_find(opt->name, global);
    const struct setting *setting = &settings[index];
    struct list *list = settings_is_list(setting) ? &loading->lists[index] : NULL;
    size_t size = cfg_opt_size(opt);
    const char *value = size > 0 ? cfg_opt_getnstr(opt, (unsigned)size - 1) : "";
    bool repeated = is_repeated(loading->lines[index], list, size);
    cleanup_free char *wrong = NULL;

    if (strcmp(value, SENTINEL) == 0 || (list && size == 0))
        return 0;
    if (list && is_list_end(list, size, value)) {
        list->ended = true;
        return 0;
    }
    if (list)
        remember_listed(list, size, value);
    if (repeated) {
        problems_add(loading->problems, cfg->filename, cfg->line,
                     "%s is given twice; it stands at line %d already", opt->name,
                     loading->lines[index]);
        return 0;
    }
    loading->lines[index] = cfg->line;
    wrong = settings_set(setting, global ? (void *)loading->config : (void *)&loading->draft,
                         value);
    if (wrong)
        problems_add(loading->problems, cfg->filename, cfg->line, "%s = %s", opt->name, wrong);
    else if (setting->kind == SETTING_LISTEN)
        place_listen(&loading->draft, cfg);
    return 0;
}

// At the closing brace of a section: checks between options, then the draft becomes a service.
static int on_service(cfg_t *cfg, cfg_opt_t *opt)
{
    struct config *config = loading->config;
    struct service *draft = &loading->draft;

    cfg_t *section = cfg_opt_getnsec(opt, cfg_opt_size(opt) - 1);

    draft->name = check_memory(strdup(cfg_title(section)));
    draft->file = check_memory(strdup(cfg->filename));
    draft->line = last_line(cfg);
    for (size_t i = 0; i < settings_n; i++)
        if (settings_is_list(&settings[i]) &&
            cfg_size(section, settings[i].name) < loading->lists[i].n)
            problems_add(loading->problems, draft->file, draft->line,
                         "%s is given twice; it stands at line %d already", settings[i].name,
                         loading->lines[i]);
    config_check_service(draft, loading->lines, loading->problems);

    config->services = check_memory(
        reallocarray(config->services, config->n_services + 1, sizeof(config->services[0])));
    config->services[config->n_services++] = *draft;
    *draft = (struct service){0};
    draft_reset(draft);
    return 0;
}

// Fills opts with the settings of a scope; returns how many there are.
static size_t make_options(bool global, cfg_opt_t *opts)
{
    size_t n = 0;

    for (size_t i = 0; i < settings_n; i++) {
        const char *name = settings[i].name;

        if (settings[i].global != global)
            continue;
        if (settings_is_list(&settings[i]))
            opts[n] = (cfg_opt_t)CFG_STR_LIST(name, NULL, CFGF_NODEFAULT);
        else
            opts[n] = (cfg_opt_t)CFG_STR(name, NULL, CFGF_NODEFAULT);
        opts[n++].validcb = on_value;
    }
    return n;
}

// Global options may be given anew in each file; the last one counts.
static void begin_text(cfg_t *cfg, const char *path, const struct config_text *text)
{
    free(cfg->filename);
    cfg->filename = check_memory(strdup(path));
    loading->n_lines = text->n_lines;
    for (size_t i = 0; i < settings_n; i++)
        loading->lines[i] = 0;
    draft_reset(&loading->draft);
}

// After an error of syntax the next service is tried, so that one mistake does not hide others.
static void parse_text(cfg_t *cfg, const char *path, struct config_text *text)
{
    int begin = 1;

    begin_text(cfg, path, text);
    loading->depth++;
    while (begin > 0) {
        FILE *stream = check_memory(fmemopen(text->text, strlen(text->text), "r"));
        size_t before = loading->problems->n;
        bool good = cfg_parse_fp(cfg, stream) == CFG_SUCCESS;
        int line = loading->error_line;

        (void)fclose(stream);
        if (good)
            break;
        if (loading->problems->n == before)
            problems_add(loading->problems, path, line, "cannot be understood");
        begin = config_text_skip(text, line > begin ? line : begin + 1);
        draft_reset(&loading->draft);
    }
    loading->depth--;
}

// Parses a file, which `includer` asks for at `line` (NULL: nobody).
static void parse_file(cfg_t *cfg, const char *path, const char *includer, int line)
{
    struct config_text text = {0};
    const char *wrong = config_text_read(path, SENTINEL "=1\n", &text);

    if (wrong) {
        problems_add(loading->problems, includer ? includer : path, line, "%s%scannot be read: %s",
                     includer ? path : "", includer ? " " : "", wrong);
    } else {
        config_text_clean(&text, path, loading->problems);
        parse_text(cfg, path, &text);
    }
    free(text.text);
}

// include("PATH"): relative to the file that says so. The library's own would read the file past
// config_text_clean().
static int on_include(cfg_t *cfg, cfg_opt_t *opt, int argc, const char **argv)
{
    cleanup_free char *includer = cfg->filename;
    cleanup_free char *copy = check_memory(strdup(includer));
    cleanup_free char *path = NULL;
    int line = cfg->line, n_lines = loading->n_lines, lines[SETTINGS_MAX];

    (void)opt;
    memcpy(lines, loading->lines, sizeof(lines));
    cfg->filename = NULL;
    if (argc != 1 || loading->depth >= DEPTH_MAX)
        problems_add(loading->problems, includer, line,
                     argc != 1 ? "write include(\"FILE\")" : "includes nested too deeply");
    else if (asprintf(&path, "%s%s%s", argv[0][0] == '/' ? "" : dirname(copy),
                      argv[0][0] == '/' ? "" : "/", argv[0]) < 0)
        abort();
    if (path)
        parse_file(cfg, path, includer, line);
    free(cfg->filename);
    cfg->filename = check_memory(strdup(includer));
    cfg->line = line;
    loading->n_lines = n_lines;
    memcpy(loading->lines, lines, sizeof(lines));
    return 0;
}

static cfg_t *make_parser(void)
{
    cfg_opt_t service[SETTINGS_MAX], file[SETTINGS_MAX];
    cfg_t *cfg;
    size_t n;

    n = make_options(false, service);
    service[n] = (cfg_opt_t)CFG_END();
    n = make_options(true, file);
    file[n++] = (cfg_opt_t)CFG_FUNC("include", on_include);
    file[n++] = (cfg_opt_t)CFG_STR(SENTINEL, NULL, CFGF_NODEFAULT);
    file[n] = (cfg_opt_t)CFG_SEC("service", service,
                                 CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES | CFGF_KEYSTRVAL);
    file[n++].validcb = on_service;
    file[n] = (cfg_opt_t)CFG_END();
    cfg = check_memory(cfg_init(file, CFGF_KEYSTRVAL));
    (void)cfg_set_error_function(cfg, on_error);
    return cfg;
}

static void parse_drop_ins(cfg_t *cfg, const char *path)
{
    cleanup_free char *pattern = NULL;
    glob_t found = {0};

    if (asprintf(&pattern, "%s.d/*.conf", path) < 0)
        abort();
    if (glob(pattern, 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++)
            parse_file(cfg, found.gl_pathv[i], NULL, 0);
    globfree(&found);
}

struct config *config_read(const char *path, struct problems *problems)
{
    struct config *config = check_memory(calloc(1, sizeof(*config)));
    struct loader loader = {.problems = problems, .config = config};
    cfg_t *cfg;

    config->n_references = 1;
    loading = &loader;
    settings_init(config, true);
    cfg = make_parser();
    parse_file(cfg, path, NULL, 0);
    parse_drop_ins(cfg, path);
    (void)cfg_free(cfg);
    config_service_done(&loader.draft);
    for (size_t i = 0; i < settings_n; i++)
        free(loader.lists[i].last);
    config_check_addresses(config, problems);
    if (config->n_services == 0 && problems->n == 0)
        problems_add(problems, path, 1, "no service is configured; write service \"NAME\" { ... }");
    loading = NULL;
    return config;
}

struct config *config_load(const char *path, struct problems *problems)
{
    struct config *config = config_read(path, problems);

    return problems->n > 0 ? config_unref(config) : config;
}
