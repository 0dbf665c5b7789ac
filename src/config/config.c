// SPDX-License-Identifier: MIT
// A configuration from its files.

#include "config/config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "base/file.h"
#include "config/config_sections.h"
#include "config/config_text.h"

static void read_drop_ins(struct reader *reader, const char *path, struct problems *problems)
{
    cleanup_free char *folder = NULL;
    char **names = NULL;
    int r;

    if (asprintf(&folder, "%s.d", path) < 0)
        base_out_of_memory();
    r = file_list(folder, ".conf", &names);
    if (r < 0 && r != -ENOENT)
        problems_add(problems, folder, 0, "cannot be read: %s", strerror(-r));
    for (size_t i = 0; names && names[i]; i++) {
        cleanup_free char *file = NULL;

        if (asprintf(&file, "%s/%s", folder, names[i]) < 0)
            base_out_of_memory();
        reader_file(reader, file);
    }
    file_list_free(names);
}

// text: the configuration, NULL: it is in the file that is the source.
static struct config *read_source(const char *source, const char *text,
                                  const struct handler *const *handlers, struct problems *problems)
{
    struct config_sections sections;
    struct reader *reader;

    config_sections_open(&sections, handlers, problems);
    reader = reader_new(&sections.language, problems);
    if (text) {
        reader_text(reader, source, text);
    } else {
        reader_file(reader, source);
        read_drop_ins(reader, source, problems);
    }
    (void)reader_free(reader);
    config_sections_close(&sections);
    if (sections.config->n_services + sections.config->n_left_out == 0 && problems->n == 0)
        problems_add(problems, source, 1,
                     "no service is configured; write service \"NAME\" { ... }");
    return sections.config;
}

struct config *config_read(const char *path, const struct handler *const *handlers,
                           struct problems *problems)
{
    return read_source(path, NULL, handlers, problems);
}

struct config *config_load(const char *path, const struct handler *const *handlers,
                           struct problems *problems)
{
    struct config *config = config_read(path, handlers, problems);

    return problems->n > 0 ? config_unref(config) : config;
}

static struct config *load_input(const struct config_source *source, struct problems *problems)
{
    const struct config_input *input = source->data;

    return read_source(source->name, input->text, input->handlers, problems);
}

const char *config_input_open(struct config_input *ret, const char *path,
                              const struct handler *const *handlers)
{
    bool is_file = strcmp(path, "-") != 0;
    struct config_text input = {0};
    const char *wrong = is_file ? NULL : config_text_read(NULL, &input);

    *ret = (struct config_input){
        .source = {.name = is_file ? path : "standard input", .load = load_input, .data = ret},
        .handlers = handlers,
        .text = input.text};
    return wrong;
}

void config_input_close(struct config_input *input)
{
    base_free(&input->text);
    *input = (struct config_input){0};
}
