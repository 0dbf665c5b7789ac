// SPDX-License-Identifier: MIT
// A configuration from its files.

#include "config/config.h"

#include <glob.h>
#include <stdio.h>

#include "base/base.h"
#include "config/config_sections.h"

static void read_drop_ins(struct reader *reader, const char *path)
{
    cleanup_free char *pattern = NULL;
    glob_t found = {0};

    if (asprintf(&pattern, "%s.d/*.conf", path) < 0)
        abort();
    if (glob(pattern, 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++)
            reader_file(reader, found.gl_pathv[i]);
    globfree(&found);
}

struct config *config_read(const char *path, const struct handler *const *handlers,
                           struct problems *problems)
{
    struct config_sections sections;
    struct reader *reader;

    config_sections_open(&sections, handlers, problems);
    reader = reader_new(&sections.language, problems);
    reader_file(reader, path);
    read_drop_ins(reader, path);
    (void)reader_free(reader);
    config_sections_close(&sections);
    if (sections.config->n_services == 0 && problems->n == 0)
        problems_add(problems, path, 1, "no service is configured; write service \"NAME\" { ... }");
    return sections.config;
}

struct config *config_load(const char *path, const struct handler *const *handlers,
                           struct problems *problems)
{
    struct config *config = config_read(path, handlers, problems);

    return problems->n > 0 ? config_unref(config) : config;
}
