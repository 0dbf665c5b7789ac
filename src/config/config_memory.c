// SPDX-License-Identifier: MIT
// Whose memory a configuration is, and the list of what is wrong with one. Without memory the
// start-up aborts.

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "base/escape.h"
#include "config/config.h"

const char *config_place(const char *file, int line, char *text, size_t size)
{
    if (line > 0)
        (void)snprintf(text, size, "%s:%d", file, line);
    else
        (void)snprintf(text, size, "%s", file);
    return text;
}

void problems_add(struct problems *problems, const char *file, int line, const char *format, ...)
{
    char what[1024], plain[1024], place[4096];
    va_list arguments;
    char *text = NULL;

    va_start(arguments, format);
    (void)vsnprintf(what, sizeof(what), format, arguments);
    va_end(arguments);
    (void)escape_bytes(what, strlen(what), plain, sizeof(plain)); // a name may hold anything
    if (asprintf(&text, "%s: %s", config_place(file, line, place, sizeof(place)), plain) < 0)
        abort();
    problems->texts = reallocarray(problems->texts, problems->n + 1, sizeof(problems->texts[0]));
    if (!problems->texts)
        abort();
    problems->texts[problems->n++] = text;
}

void problems_done(struct problems *problems)
{
    for (size_t i = 0; i < problems->n; i++)
        free(problems->texts[i]);
    free(problems->texts);
    *problems = (struct problems){0};
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

static void free_list(struct text_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        free(list->items[i]);
    free(list->items);
}

static void free_program(struct program_options *program)
{
    free_list(&program->argv);
    free_list(&program->environment);
    free(program->directory);
    free(program->identity.user);
    free(program->identity.group);
    free(program->identity.groups);
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
    free_program(&service->options.program);
    free(service->options.module);
    free_list(&service->options.module_options);
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
