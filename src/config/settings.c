// SPDX-License-Identifier: MIT
// The table of settings and the parsing of their values. A value is taken whole or refused with
// what is allowed; nothing is rounded, cut or guessed. Without memory the start-up aborts.

#include "config/settings.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/base.h"
#include "base/timespan.h"
#include "handlers/handler.h"

static const char *const log_sessions_names[LOG_SESSIONS_N] = {
    [LOG_SESSIONS_NONE] = "none", [LOG_SESSIONS_ERRORS] = "errors", [LOG_SESSIONS_ALL] = "all"};
static const char *const log_addresses_names[LOG_ADDRESSES_N] = {[LOG_ADDRESSES_FULL] = "full",
                                                                 [LOG_ADDRESSES_MASKED] = "masked",
                                                                 [LOG_ADDRESSES_NONE] = "none"};
static const char *const no_yes[] = {"no", "yes"};
static const char *const end_names[END_N] = {
    [END_NONE] = "none", [END_CRLF] = "crlf", [END_NUL] = "nul"};
static const char *const format_names[FORMAT_N] = {
    [FORMAT_RFC867] = "rfc867", [FORMAT_ISO8601] = "iso8601"};

static const char *const program_modes[PROGRAM_MODES] = {[PROGRAM_CONNECTION] = "connection",
                                                         [PROGRAM_PRESTART] = "prestart",
                                                         [PROGRAM_LISTENER] = "listener"};
static const char *const transfer_names[TRANSFER_N] = {
    [TRANSFER_COPY] = "copy", [TRANSFER_SPLICE] = "splice"};

#define GLOBAL(field)  .global = true, .offset = offsetof(struct config, field)
#define SERVICE(field) .offset = offsetof(struct service, field)
#define CHOICE(table)  .kind = SETTING_CHOICE, .names = (table), .n_names = ELEMENTS(table)
#define SPAN           .kind = SETTING_SPAN
#define PROGRAM(field) SERVICE(options.program.field), .handler = "program"
#define MODULE(field)  SERVICE(options.field), .handler = "module"

// clang-format off
const struct setting settings[] = {
    {"stop_timeout", SPAN, GLOBAL(stop_timeout_usec), .initial = "30s"},
    {"socket_units", CHOICE(no_yes), GLOBAL(socket_units), .initial = "yes"},
    {"exit_idle_time", SPAN, GLOBAL(exit_idle_usec), .initial = "0"},
    {"log_sessions", CHOICE(log_sessions_names), GLOBAL(log_sessions), .initial = "errors"},
    {"log_sessions_rate", SETTING_COUNT, GLOBAL(log_sessions_rate), .initial = "1000",
     .max = 1000000},
    {"log_addresses", CHOICE(log_addresses_names), GLOBAL(log_addresses), .initial = "full"},

    {"handler", SETTING_HANDLER, SERVICE(handler)},
    {"listen", SETTING_LISTEN, SERVICE(listen)},
    {"backlog", SETTING_COUNT, SERVICE(backlog), .initial = "4096", .min = 1, .max = 65535},
    {"min_workers", SETTING_COUNT, SERVICE(min_workers), .initial = "4", .min = 1, .max = 30000},
    {"max_workers", SETTING_COUNT, SERVICE(max_workers), .initial = "256", .min = 1, .max = 30000},
    {"spare_workers", SETTING_COUNT, SERVICE(spare_workers), .initial = "4", .max = 30000},
    {"spawn_burst", SETTING_COUNT, SERVICE(spawn.burst), .initial = "4096", .min = 1,
     .max = 1000000},
    {"spawn_rate", SETTING_COUNT, SERVICE(spawn.per_sec), .initial = "4096", .min = 1,
     .max = 1000000},
    {"max_sessions_per_worker", SETTING_COUNT, SERVICE(max_sessions_per_worker), .initial = "0",
     .max = 1000000000},
    {"max_worker_age", SPAN, SERVICE(max_worker_age_usec), .initial = "0"},
    {"first_byte_timeout", SPAN, SERVICE(deadlines.first_byte_usec), .initial = "30s"},
    {"idle_timeout", SPAN, SERVICE(deadlines.idle_usec), .initial = "60s"},
    {"send_timeout", SPAN, SERVICE(deadlines.send_usec), .initial = "30s"},
    {"session_timeout", SPAN, SERVICE(deadlines.session_usec), .initial = "0"},
    {"socket_mode", SETTING_MODE, SERVICE(socket_mode), .initial = "0666", .max = 0777},
    {"socket_user", SETTING_TEXT, SERVICE(socket_user)},
    {"socket_group", SETTING_TEXT, SERVICE(socket_group)},

    {"message", SETTING_TEXT, SERVICE(options.message), .handler = "greeting"},
    {"end", CHOICE(end_names), SERVICE(options.end), .initial = "none", .handler = "greeting"},
    {"file", SETTING_TEXT, SERVICE(options.file), .handler = "greeting"},
    {"transfer", CHOICE(transfer_names), SERVICE(options.transfer), .initial = "copy",
     .handler = "echo"},
    {"format", CHOICE(format_names), SERVICE(options.format), .initial = "rfc867",
     .handler = "daytime"},
    {"framing", CHOICE(framing_names), SERVICE(options.framing), .initial = "chunk",
     .handler = "hello"},
    {"delay", SPAN, SERVICE(options.delay_usec), .initial = "0", .handler = "hello"},

    {"program", SETTING_LIST, PROGRAM(argv)},
    {"program_mode", CHOICE(program_modes), PROGRAM(mode), .initial = "connection"},
    {"environment", SETTING_LIST, PROGRAM(environment)},
    {"working_directory", SETTING_TEXT, PROGRAM(directory)},
    {"umask", SETTING_MASK, PROGRAM(umask), .initial = "inherit", .max = 0777},
    {"nice", SETTING_NUMBER, PROGRAM(nice), .initial = "inherit", .max = 19},
    {"limit_nofile", SETTING_LIMIT, PROGRAM(limit_nofile), .initial = "inherit", .min = 3},
    {"limit_as", SETTING_LIMIT, PROGRAM(limit_as), .initial = "inherit", .min = 4096},
    {"limit_cpu", SPAN, PROGRAM(limit_cpu_usec), .initial = "0"},
    {"limit_core", SETTING_LIMIT, PROGRAM(limit_core), .initial = "inherit"},
    {"limit_nproc", SETTING_LIMIT, PROGRAM(limit_nproc), .initial = "inherit", .min = 1},
    {"program_timeout", SPAN, PROGRAM(timeout_usec), .initial = "0"},
    {"kill_grace", SPAN, PROGRAM(kill_grace_usec), .initial = "5s"},
    {"user", SETTING_TEXT, PROGRAM(identity.user)},
    {"group", SETTING_TEXT, PROGRAM(identity.group)},

    {"module", SETTING_TEXT, MODULE(module)},
    {"module_options", SETTING_LIST, MODULE(module_options)},
    {"hang_timeout", SPAN, MODULE(hang_usec), .initial = "60s"},
};
// clang-format on
const size_t settings_n = ELEMENTS(settings);

bool settings_is_list(const struct setting *setting)
{
    return setting->kind == SETTING_LISTEN || setting->kind == SETTING_LIST;
}

int settings_find(const char *name, bool global)
{
    for (size_t i = 0; i < settings_n; i++)
        if (settings[i].global == global && strcmp(settings[i].name, name) == 0)
            return (int)i;
    return -1;
}

__attribute__((format(printf, 1, 2))) static char *complain(const char *format, ...)
{
    char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        abort();
    va_end(arguments);
    return text;
}

static char *set_span(uint64_t *field, const char *text)
{
    int r = timespan_parse(text, field);

    if (r == -ERANGE)
        return complain("\"%s\" is too long; at most 36500d", text);
    if (r < 0)
        return complain("\"%s\" is not a time; write 500ms, 30s, 5min, 2h or 0 for off", text);
    return NULL;
}

// Counts in decimal, modes in octal.
static char *set_number(const struct setting *setting, unsigned *field, const char *text)
{
    bool octal = setting->kind == SETTING_MODE;
    const char *digits = octal ? "01234567" : "0123456789";
    unsigned long number = strtoul(text, NULL, octal ? 8 : 10);

    if (*text == '\0' || strspn(text, digits) != strlen(text) || strlen(text) > 10 ||
        number < setting->min || number > setting->max)
        return octal ? complain("\"%s\" is not a file mode; an octal number from 0 to 0777", text)
                     : complain("\"%s\" is not allowed; a whole number from %u to %u", text,
                                setting->min, setting->max);
    *field = (unsigned)number;
    return NULL;
}

static char *set_choice(const struct setting *setting, int *field, const char *text)
{
    char allowed[128] = "";

    for (int i = 0; i < setting->n_names; i++) {
        size_t used = strlen(allowed);

        if (strcmp(setting->names[i], text) == 0) {
            *field = i;
            return NULL;
        }
        (void)snprintf(allowed + used, sizeof(allowed) - used, "%s%s", used ? ", " : "",
                       setting->names[i]);
    }
    return complain("\"%s\" is not allowed; one of: %s", text, allowed);
}

static char *set_handler(const struct handler **field, const char *text)
{
    const struct handler *handler = handler_find(text);

    if (!handler)
        return complain("\"%s\" is not a handler; one of: %s", text, handler_names());
    *field = handler;
    return NULL;
}

static char *set_text(char **field, const char *text)
{
    char *copy = strdup(text);

    if (!copy)
        abort();
    free(*field);
    *field = copy;
    return NULL;
}

// nice, or a file mode mask; -20 is the one number below -19 that there is.
static char *set_inheritable(const struct setting *setting, int64_t *field, const char *text)
{
    bool octal = setting->kind == SETTING_MASK;
    long min = octal ? 0 : -(long)setting->max - 1;
    char *end;
    long number = strtol(text, &end, octal ? 8 : 10);

    if (strcmp(text, "inherit") == 0) {
        *field = INHERIT;
        return NULL;
    }
    if (end == text || *end != '\0' || strchr(" \t\n+", *text) || strlen(text) > 10 ||
        number < min || number > (long)setting->max)
        return octal ? complain("\"%s\" is not a file mode; an octal number from 0 to 0777, or "
                                "inherit",
                                text)
                     : complain("\"%s\" is not allowed; a whole number from %ld to %u, or inherit",
                                text, min, setting->max);
    *field = number;
    return NULL;
}

// A limit of setrlimit(2), in units of 1024 and its powers.
static char *set_limit(const struct setting *setting, int64_t *field, const char *text)
{
    static const char units[] = "KMGT";
    char *end;
    unsigned long long number = strtoull(text, &end, 10);
    const char *unit = *end != '\0' ? strchr(units, *end) : NULL;
    unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;

    if (strcmp(text, "inherit") == 0 || strcmp(text, "infinity") == 0) {
        *field = text[2] == 'h' ? INHERIT : (int64_t)RLIM_INFINITY;
        return NULL;
    }
    if (*text < '0' || *text > '9' || (*end != '\0' && (!unit || end[1] != '\0')) ||
        strlen(text) > 15 || number > (uint64_t)(INT64_MAX - 1) >> shift ||
        number << shift < setting->min)
        return complain(
            "\"%s\" is not a limit; a whole number from %u on, with K, M, G or T behind "
            "it or not, infinity or inherit",
            text, setting->min);
    *field = (int64_t)(number << shift);
    return NULL;
}

static char *add_text(struct text_list *list, const char *text)
{
    list->items = reallocarray(list->items, list->n + 2, sizeof(list->items[0]));
    if (!list->items)
        abort();
    list->items[list->n] = list->items[list->n + 1] = NULL;
    (void)set_text(&list->items[list->n++], text);
    return NULL;
}

// Appends to the list; `file` and `line` are the caller's to fill in.
static char *add_listen(struct service *service, const char *text)
{
    struct listen entry = {0};
    const char *wrong = address_parse(text, &entry.spec);

    if (wrong)
        return complain("\"%s\": %s", text, wrong);
    (void)set_text(&entry.text, text);
    service->listen = reallocarray(service->listen, service->n_listen + 1, sizeof(entry));
    if (!service->listen)
        abort();
    service->listen[service->n_listen++] = entry;
    return NULL;
}

char *settings_set(const struct setting *setting, void *target, const char *text)
{
    void *field = (char *)target + setting->offset;

    switch (setting->kind) {
    case SETTING_SPAN:
        return set_span(field, text);
    case SETTING_COUNT:
    case SETTING_MODE:
        return set_number(setting, field, text);
    case SETTING_NUMBER:
    case SETTING_MASK:
        return set_inheritable(setting, field, text);
    case SETTING_LIMIT:
        return set_limit(setting, field, text);
    case SETTING_CHOICE:
        return set_choice(setting, field, text);
    case SETTING_HANDLER:
        return set_handler(field, text);
    case SETTING_TEXT:
        return set_text(field, text);
    case SETTING_LISTEN:
        return add_listen(target, text);
    case SETTING_LIST:
        return add_text(field, text);
    }
    return complain("unknown kind of setting");
}

void settings_init(void *target, bool global)
{
    for (size_t i = 0; i < settings_n; i++)
        if (settings[i].global == global && settings[i].initial)
            free(settings_set(&settings[i], target, settings[i].initial)); // defaults are right
}
