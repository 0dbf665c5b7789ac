// SPDX-License-Identifier: MIT
// A configuration from its files.

#include "config/config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "base/file.h"
#include "config/config_sections.h"

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

struct config *config_read(const char *path, const struct handler *const *handlers,
                           struct problems *problems)
{
    struct config_sections sections;
    struct reader *reader;

    config_sections_open(&sections, handlers, problems);
    reader = reader_new(&sections.language, problems);
    reader_file(reader, path);
    read_drop_ins(reader, path, problems);
    (void)reader_free(reader);
    config_sections_close(&sections);
    if (sections.config->n_services + sections.config->n_left_out == 0 && problems->n == 0)
        problems_add(problems, path, 1, "no service is configured; write service \"NAME\" { ... }");
    return sections.config;
}

struct config *config_load(const char *path, const struct handler *const *handlers,
                           struct problems *problems)
{
    struct config *config = config_read(path, handlers, problems);

    return problems->n > 0 ? config_unref(config) : config;
}
