// SPDX-License-Identifier: MIT
// Which problems config_load() should find, and checks that it finds these, all of them and no
// others, each where it stands.
#pragma once

#include "config_dir.h"
#include "handlers/handlers.h"

#define WANTS_MAX 8

// One problem: "FILE:LINE: " with the file's name below the directory, and a part of the text.
struct want {
    const char *where, *what;
};

static inline bool config_wants_this(const char *text, const struct want *want)
{
    size_t n = strlen(config_dir);

    return strncmp(text, config_dir, n) == 0 && text[n] == '/' &&
           strncmp(text + n + 1, want->where, strlen(want->where)) == 0 &&
           strstr(text + n + 1 + strlen(want->where), want->what) != NULL;
}

// Returns whether the problems are those wanted, in that order; says what differs if not.
static inline bool config_wants(const char *row, const struct problems *problems,
                                const struct want *wants)
{
    size_t n = 0;
    bool same = true;

    while (n < WANTS_MAX && wants[n].where)
        n++;
    for (size_t i = 0; i < n && i < problems->n; i++)
        same = same && config_wants_this(problems->texts[i], &wants[i]);
    if (same && n == problems->n)
        return true;
    print_error("%s: wanted\n", row);
    for (size_t i = 0; i < n; i++)
        print_error("    %s ...%s...\n", wants[i].where, wants[i].what);
    print_error("  but got%s\n", problems->n == 0 ? " nothing" : "");
    for (size_t i = 0; i < problems->n; i++)
        print_error("    %s\n", problems->texts[i]);
    return false;
}

// Loads "main.conf" and checks that it is refused with these problems; false if not.
static inline bool config_refused(const char *row, const struct want *wants)
{
    struct problems problems = {0};
    struct config *config = config_load(config_dir_path("main.conf"), handlers, &problems);
    bool good = config_wants(row, &problems, wants);

    if (config)
        print_error("%s: the configuration was taken\n", row);
    good = good && !config;
    (void)config_unref(config);
    problems_done(&problems);
    return good;
}
