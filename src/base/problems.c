// SPDX-License-Identifier: MIT
// The list of what is wrong.

#include "base/problems.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "base/escape.h"

const char *problems_place(const char *file, int line, char *text, size_t size)
{
    if (line > 0)
        (void)snprintf(text, size, "%s:%d", file, line);
    else
        (void)snprintf(text, size, "%s", file);
    return text;
}

// Owns the text from now on.
static void add(struct problems *problems, const struct place *place, char *text)
{
    int line = place ? place->line : 0;

    if (problems->n == PROBLEMS_MAX) {
        free(text);
        return;
    }
    if (problems->n == PROBLEMS_MAX - 1) {
        free(text);
        text = base_checked(strdup("more is wrong than is shown here"));
        line = INT_MAX;
        place = NULL;
    }
    problems->texts = base_checked(
        reallocarray(problems->texts, problems->n + 1, sizeof(problems->texts[0])));
    problems->lines = base_checked(
        reallocarray(problems->lines, problems->n + 1, sizeof(problems->lines[0])));
    problems->places = base_checked(
        reallocarray(problems->places, problems->n + 1, sizeof(problems->places[0])));
    problems->places[problems->n] = (struct place){0};
    if (place && place->file)
        problems->places[problems->n] = (struct place){.file = base_checked(strdup(place->file)),
                                                       .line = place->line};
    problems->lines[problems->n] = line;
    problems->texts[problems->n++] = text;
}

void problems_add(struct problems *problems, const char *file, int line, const char *format, ...)
{
    char what[1024], plain[1024], place[4096];
    va_list arguments;
    char *text = NULL;

    va_start(arguments, format);
    (void)vsnprintf(what, sizeof(what), format, arguments);
    va_end(arguments);
    escape_text(what, plain, sizeof(plain)); // a name may hold anything
    if (asprintf(&text, "%s: %s", problems_place(file, line, place, sizeof(place)), plain) < 0)
        base_out_of_memory();
    add(problems, &(struct place){.file = file, .line = line}, text);
}

void problems_add_text(struct problems *problems, const char *text, const struct place *place)
{
    add(problems, place, base_checked(strdup(text)));
}

void problems_copy(struct problems *problems, const struct problems *from, size_t i)
{
    add(problems, &from->places[i], base_checked(strdup(from->texts[i])));
}

void problems_widen(struct problems *problems)
{
    struct place *place = &problems->places[problems->n - 1];

    free((char *)(uintptr_t)place->file);
    *place = (struct place){0};
}

// Few, and mostly in order: by insertion, which leaves those of one line as they are.
void problems_order(struct problems *problems, size_t first, int line)
{
    for (size_t i = first; i < problems->n; i++) {
        char *text = problems->texts[i];
        struct place place = problems->places[i];
        int its_line = problems->lines[i];
        size_t at = i;

        for (; at > first && problems->lines[at - 1] > its_line; at--) {
            problems->texts[at] = problems->texts[at - 1];
            problems->places[at] = problems->places[at - 1];
            problems->lines[at] = problems->lines[at - 1];
        }
        problems->texts[at] = text;
        problems->places[at] = place;
        problems->lines[at] = its_line;
    }
    for (size_t i = first; i < problems->n; i++)
        if (problems->lines[i] != INT_MAX)
            problems->lines[i] = line;
}

void problems_done(struct problems *problems)
{
    for (size_t i = 0; i < problems->n; i++) {
        free(problems->texts[i]);
        free((char *)(uintptr_t)problems->places[i].file);
    }
    free(problems->texts);
    free(problems->places);
    free(problems->lines);
    *problems = (struct problems){0};
}
