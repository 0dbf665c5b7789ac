// SPDX-License-Identifier: MIT
// A configuration as a tcpd.conf that says all: each setting with its value, and behind it where
// that comes from. What is read from it is the same configuration.

#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "base/escape.h"
#include "config/config.h"
#include "config/handler.h"
#include "config/section.h"
#include "config/settings.h"

#define COLUMN 44 // of comments

struct printing {
    FILE *stream;
    const char *indent;
    char *folder; // of the file that the section is in
};

// One setting. line: where it is written, 0: nowhere.
static void print_setting(const struct printing *printing, const struct setting *setting,
                          const char *value, const char *file, int line)
{
    bool unused = line == SECTION_UNUSED;
    char place[4096], shown[4096];
    int column = fprintf(printing->stream, "%s%s%s =%s%s", printing->indent,
                         unused || !value ? "# " : "", setting->name, value ? " " : "",
                         value ? value : "");

    (void)problems_place(file, line, place, sizeof(place));
    (void)escape_bytes(place, strlen(place), shown, sizeof(shown));
    (void)fprintf(printing->stream, "%*s  # %s\n", column < COLUMN ? COLUMN - column : 0, "",
                  unused     ? "does not apply"
                  : line > 0 ? shown
                  : !value   ? "not given"
                             : "default");
}

// The value as a text; NULL: it has none.
static char *spell(const struct printing *printing, const struct setting *setting,
                   const void *values)
{
    char *text = NULL;
    size_t size;
    FILE *stream = base_checked(open_memstream(&text, &size));
    bool has_value = setting_print(setting, values, printing->folder, stream);

    if (fclose(stream) != 0)
        base_out_of_memory();
    if (has_value)
        return text;
    free(text);
    return NULL;
}

static void print_form(const struct printing *printing, const struct form *form, const void *values,
                       const char *file, const int *lines)
{
    for (size_t i = 0; i < form->n; i++) {
        cleanup_free char *value = spell(printing, &form->settings[i], values);

        if (form->settings[i].kind != SETTING_VARIANT)
            print_setting(printing, &form->settings[i], value, file, lines ? lines[i] : 0);
    }
}

static void print_file(const struct printing *printing, const struct config *config)
{
    const struct form *form = &settings_of_file;

    for (size_t i = 0; i < form->n; i++) {
        cleanup_free char *value = spell(printing, &form->settings[i], config);
        const struct origin *origin = &config->origins[i];

        print_setting(printing, &form->settings[i], value, origin->file ? origin->file : "",
                      origin->line);
    }
}

static char *folder_of(const char *file)
{
    const char *slash = strrchr(file, '/');

    return strndup(file, slash ? (size_t)(slash - file) : 0);
}

static void print_service(const struct service *service, FILE *stream)
{
    cleanup_free char *folder = folder_of(service->file);
    const struct printing printing = {.stream = stream, .indent = "    ", .folder = folder};

    for (size_t i = 0; i < service->left_out.n; i++)
        (void)fprintf(stream, "\n# left out: %s", service->left_out.texts[i]);
    (void)fprintf(stream, "\nservice \"%s\" {\n    handler = \"%s\"\n", service->name,
                  service->handler->name);
    print_form(&printing, &settings_of_service, service, service->file, service->lines);
    if (service->handler->form)
        print_form(&printing, service->handler->form, service->options, service->file,
                   service->option_lines);
    (void)fputs("}\n", stream);
}

static void print_certificate(const struct certificate *certificate, FILE *stream)
{
    cleanup_free char *folder = folder_of(certificate->file);
    const struct printing printing = {.stream = stream, .indent = "    ", .folder = folder};

    (void)fprintf(stream, "\ncertificate \"%s\" {\n", certificate->name);
    print_form(&printing, &settings_of_certificate, certificate, certificate->file,
               certificate->lines);
    (void)fputs("}\n", stream);
}

void config_print(const struct config *config, FILE *stream)
{
    char none[] = "";
    const struct printing printing = {.stream = stream, .indent = "", .folder = none};

    print_file(&printing, config);
    for (size_t i = 0; i < config->n_certificates; i++)
        print_certificate(&config->certificates[i], stream);
    for (size_t i = 0; i < config->n_services + config->n_left_out; i++)
        print_service(&config->services[i], stream);
}
