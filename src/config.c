// SPDX-License-Identifier: MIT
// Reading tcpd.conf through libconfuse. Every option is a string to the library; settings.c knows
// what it means. Wrong values do not stop the reading, so that one run tells all of them; a syntax
// error does. A configuration with any problem is never returned.

#include "config.h"

#include <confuse.h>
#include <errno.h>
#include <glob.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base.h"
#include "handler.h"
#include "settings.h"

// Stands behind the last line of every file: libconfuse takes the end of the file for the missing
// brace of a section, and then meets this name inside it.
#define SENTINEL "__end_of_file"
#define FILE_MAX (1024 * 1024)

#define SETTINGS_MAX 64

// What is being read. libconfuse hands callbacks no context of ours, hence the pointer.
struct loader {
    struct problems *problems;
    struct config *config;
    struct service draft;    // the service whose section is open
    int lines[SETTINGS_MAX]; // where each setting was given: of the section, of the file; 0: not
};
static struct loader *loading;

static void *check_memory(void *pointer)
{
    if (!pointer)
        abort();
    return pointer;
}

void problems_add(struct problems *problems, const char *file, int line, const char *format, ...)
{
    cleanup_free char *what = NULL;
    va_list arguments;
    char *text = NULL;

    va_start(arguments, format);
    if (vasprintf(&what, format, arguments) < 0)
        abort();
    va_end(arguments);
    if (asprintf(&text, "%s:%d: %s", file, line, what) < 0)
        abort();
    problems->texts = check_memory(
        reallocarray(problems->texts, problems->n + 1, sizeof(problems->texts[0])));
    problems->texts[problems->n++] = text;
}

void problems_done(struct problems *problems)
{
    for (size_t i = 0; i < problems->n; i++)
        free(problems->texts[i]);
    free(problems->texts);
    *problems = (struct problems){0};
}

void config_service_done(struct service *service)
{
    for (size_t i = 0; i < service->n_listen; i++) {
        free(service->listen[i].text);
        free(service->listen[i].file);
    }
    free(service->listen);
    free(service->name);
    free(service->file);
    free(service->socket_user);
    free(service->socket_group);
    free(service->options.message);
    free(service->options.file);
    free(service->options.file_text);
    free(service->options.entries);
    *service = (struct service){0};
}

struct config *config_ref(struct config *config)
{
    config->n_references++;
    return config;
}

struct config *config_unref(struct config *config)
{
    if (!config || --config->n_references > 0)
        return NULL;
    for (size_t i = 0; i < config->n_services; i++)
        config_service_done(&config->services[i]);
    free(config->services);
    free(config);
    return NULL;
}

static void draft_reset(struct service *draft)
{
    config_service_done(draft);
    settings_init(draft, false);
    for (size_t i = 0; i < settings_n; i++)
        if (!settings[i].global)
            loading->lines[i] = 0;
}

static bool in_service(const cfg_t *cfg)
{
    return strcmp(cfg->name, "service") == 0;
}

// Our words for what the library found, with what is allowed where that helps.
static void on_error(cfg_t *cfg, const char *format, va_list arguments)
{
    cleanup_free char *text = NULL;
    const char *name = NULL;

    if (vasprintf(&text, format, arguments) < 0)
        abort();
    if (strncmp(text, "no such option '", 16) == 0) {
        name = text + 16;
        text[strlen(text) - 1] = '\0';
    }
    if (name && strcmp(name, SENTINEL) == 0)
        problems_add(loading->problems, cfg->filename, cfg->line - 1,
                     "the closing brace } of service \"%s\" is missing", cfg_title(cfg));
    else if (name && settings_find(name, in_service(cfg)) >= 0)
        problems_add(loading->problems, cfg->filename, cfg->line,
                     in_service(cfg) ? "%s stands before the first service, not in one"
                                     : "%s stands in a service, not outside",
                     name);
    else if (name)
        problems_add(loading->problems, cfg->filename, cfg->line,
                     "there is no option %s; tcpd.conf(5) lists all", name);
    else
        problems_add(loading->problems, cfg->filename, cfg->line, "%s", text);
}

// Records where the newest element of `listen` stands.
static void place_listen(struct service *service, const cfg_t *cfg)
{
    struct listen *entry = &service->listen[service->n_listen - 1];

    entry->file = check_memory(strdup(cfg->filename));
    entry->line = cfg->line;
}

// Called by the library after each value of a list and once more at its closing brace: true then.
static bool is_list_end(cfg_opt_t *opt, const struct service *draft)
{
    const char *newest = cfg_opt_getnstr(opt, cfg_opt_size(opt) - 1);

    return cfg_opt_size(opt) == draft->n_listen && newest &&
           strcmp(newest, draft->listen[draft->n_listen - 1].text) == 0;
}

static int on_value(cfg_t *cfg, cfg_opt_t *opt)
{
    bool global = !in_service(cfg);
    int index = settings_find(opt->name, global);
    const struct setting *setting = &settings[index];
    bool list = setting->kind == SETTING_LISTEN;
    cleanup_free char *wrong = NULL;

    if (list && (cfg_opt_size(opt) == 0 || is_list_end(opt, &loading->draft)))
        return 0;
    if (loading->lines[index] != 0 && !(list && cfg_opt_size(opt) > loading->draft.n_listen)) {
        problems_add(loading->problems, cfg->filename, cfg->line,
                     "%s is given twice; it stands at line %d already", opt->name,
                     loading->lines[index]);
        return 0;
    }
    loading->lines[index] = cfg->line;
    wrong = settings_set(setting, global ? (void *)loading->config : (void *)&loading->draft,
                         cfg_opt_getnstr(opt, cfg_opt_size(opt) - 1));
    if (wrong)
        problems_add(loading->problems, cfg->filename, cfg->line, "%s = %s", opt->name, wrong);
    else if (list)
        place_listen(&loading->draft, cfg);
    return 0;
}

static void check_workers(const struct service *service)
{
    static const char min[] = "min_workers", spare[] = "spare_workers";

    if (service->min_workers > service->max_workers)
        problems_add(loading->problems, service->file, service->line,
                     "%s = %u of service \"%s\" is above max_workers = %u", min,
                     service->min_workers, service->name, service->max_workers);
    if (service->spare_workers > service->max_workers)
        problems_add(loading->problems, service->file, service->line,
                     "%s = %u of service \"%s\" is above max_workers = %u", spare,
                     service->spare_workers, service->name, service->max_workers);
}

static void check_handler(struct service *service)
{
    const struct handler *handler = service->handler;

    if (!handler) {
        if (loading->lines[settings_find("handler", false)] == 0)
            problems_add(loading->problems, service->file, service->line,
                         "service \"%s\" has no handler; one of: %s", service->name,
                         handler_names());
        return;
    }
    for (size_t i = 0; i < settings_n; i++)
        if (loading->lines[i] != 0 && settings[i].handler &&
            strcmp(settings[i].handler, handler->name) != 0)
            problems_add(loading->problems, service->file, loading->lines[i],
                         "%s belongs to handler \"%s\", and service \"%s\" has handler \"%s\"",
                         settings[i].name, settings[i].handler, service->name, handler->name);
    if (handler->prepare)
        handler->prepare(service, loading->problems);
}

static bool is_good_name(const char *name)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t length = strlen(name);

    return length >= 1 && length <= 64 && strspn(name, allowed) == length;
}

// At the closing brace of a section: checks between options, then the draft becomes a service.
static int on_service(cfg_t *cfg, cfg_opt_t *opt)
{
    struct config *config = loading->config;
    struct service *draft = &loading->draft;

    draft->name = check_memory(strdup(cfg_title(cfg_opt_getnsec(opt, cfg_opt_size(opt) - 1))));
    draft->file = check_memory(strdup(cfg->filename));
    draft->line = cfg->line;
    if (!is_good_name(draft->name))
        problems_add(loading->problems, draft->file, draft->line,
                     "\"%s\" is not a service name; 1 to 64 of letters, digits, '.', '_', '-'",
                     draft->name);
    check_workers(draft);
    check_handler(draft);

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
        if (settings[i].kind == SETTING_LISTEN)
            opts[n] = (cfg_opt_t)CFG_STR_LIST(name, NULL, CFGF_NODEFAULT);
        else
            opts[n] = (cfg_opt_t)CFG_STR(name, NULL, CFGF_NODEFAULT);
        opts[n++].validcb = on_value;
    }
    return n;
}

static cfg_t *make_parser(void)
{
    cfg_opt_t service[SETTINGS_MAX], file[SETTINGS_MAX];
    cfg_t *cfg;
    size_t n;

    n = make_options(false, service);
    service[n] = (cfg_opt_t)CFG_END();
    n = make_options(true, file);
    file[n++] = (cfg_opt_t)CFG_FUNC("include", cfg_include);
    file[n++] = (cfg_opt_t)CFG_STR(SENTINEL, NULL, CFGF_NODEFAULT);
    file[n] = (cfg_opt_t)CFG_SEC("service", service,
                                 CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES | CFGF_KEYSTRVAL);
    file[n++].validcb = on_service;
    file[n] = (cfg_opt_t)CFG_END();
    cfg = check_memory(cfg_init(file, CFGF_KEYSTRVAL));
    (void)cfg_set_error_function(cfg, on_error);
    return cfg;
}

// The file's text with the sentinel behind it, owned by the caller; NULL after adding a problem.
static char *read_file(const char *path)
{
    FILE *file = fopen(path, "re");
    cleanup_free char *text = check_memory(malloc(FILE_MAX + sizeof(SENTINEL) + 8));
    size_t n = file ? fread(text, 1, FILE_MAX + 1, file) : 0;
    bool failed = !file || ferror(file);
    const char *why = failed                  ? strerror(errno)
                      : n > FILE_MAX          ? "longer than 1 MiB"
                      : memchr(text, '\0', n) ? "holds a NUL byte"
                                              : NULL;
    char *whole = NULL;

    if (file)
        (void)fclose(file); // only read from
    if (why) {
        problems_add(loading->problems, path, 0, "cannot be read: %s", why);
        return NULL;
    }
    text[n] = '\0';
    if (asprintf(&whole, "%s\n" SENTINEL "=1\n", text) < 0)
        abort();
    return whole;
}

static void parse_file(cfg_t *cfg, const char *path)
{
    cleanup_free char *text = read_file(path);
    FILE *stream;
    size_t before = loading->problems->n;

    if (!text)
        return;
    stream = check_memory(fmemopen(text, strlen(text), "r"));
    free(cfg->filename);
    cfg->filename = check_memory(strdup(path));
    for (size_t i = 0; i < settings_n; i++)
        loading->lines[i] = 0;
    draft_reset(&loading->draft);
    if (cfg_parse_fp(cfg, stream) != CFG_SUCCESS && loading->problems->n == before)
        problems_add(loading->problems, path, cfg->line, "cannot be understood");
    (void)fclose(stream);
}

static void parse_drop_ins(cfg_t *cfg, const char *path)
{
    cleanup_free char *pattern = NULL;
    glob_t found = {0};

    if (asprintf(&pattern, "%s.d/*.conf", path) < 0)
        abort();
    if (glob(pattern, 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++)
            parse_file(cfg, found.gl_pathv[i]);
    globfree(&found);
}

// Two entries that ask for the same address; port 0 asks for any, so it may stand twice.
static bool is_same_listen(const struct listen *a, const struct listen *b)
{
    return a->spec.kind == b->spec.kind && strcmp(a->spec.host, b->spec.host) == 0 &&
           strcmp(a->spec.port, b->spec.port) == 0 && strcmp(a->spec.path, b->spec.path) == 0 &&
           strcmp(a->spec.port, "0") != 0;
}

static void check_duplicate(const struct config *config, const struct listen *entry)
{
    for (size_t s = 0; s < config->n_services; s++)
        for (size_t i = 0; i < config->services[s].n_listen; i++) {
            const struct listen *other = &config->services[s].listen[i];

            if (other == entry)
                return; // the rest comes after it and is compared with it later
            if (is_same_listen(other, entry)) {
                problems_add(loading->problems, entry->file, entry->line,
                             "listen = \"%s\" is taken by service \"%s\" at line %d", entry->text,
                             config->services[s].name, other->line);
                return;
            }
        }
}

struct config *config_load(const char *path, struct problems *problems)
{
    struct config *config = check_memory(calloc(1, sizeof(*config)));
    struct loader loader = {.problems = problems, .config = config};
    cleanup_free char *directory = check_memory(strdup(path));
    cfg_t *cfg;

    config->n_references = 1;
    loading = &loader;
    settings_init(config, true);
    cfg = make_parser();
    (void)cfg_add_searchpath(cfg, dirname(directory)); // where include() looks
    parse_file(cfg, path);
    parse_drop_ins(cfg, path);
    (void)cfg_free(cfg);
    config_service_done(&loader.draft);
    for (size_t s = 0; s < config->n_services; s++)
        for (size_t i = 0; i < config->services[s].n_listen; i++)
            check_duplicate(config, &config->services[s].listen[i]);
    if (config->n_services == 0 && problems->n == 0)
        problems_add(problems, path, 0, "no service is configured; write service \"NAME\" { ... }");
    loading = NULL;
    return problems->n > 0 ? config_unref(config) : config;
}
