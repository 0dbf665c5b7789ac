// SPDX-License-Identifier: MIT
// What is wrong with a configuration: a list of texts, each "FILE:LINE: what, and what is allowed".
// Whoever checks something adds to it, so that one run reports all. Logs nothing. Without memory
// the process ends.
#pragma once

#include <stddef.h>

#define PROBLEMS_MAX 100 // the last one says that there are more

// Where something is written. line 0: the whole file; negative: in no file, but on a command line.
struct place {
    const char *file;
    int line;
};

struct problems {
    char **texts;
    int *lines;           // by which problems_order() goes
    struct place *places; // of each; its file, owned, is NULL where it is wrong with all there is
    size_t n;
};

// Adds a text; what is not plain text in it is escaped.
void problems_add(struct problems *problems, const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
// Adds a text as it is, of what is written there; of no place: NULL.
void problems_add_text(struct problems *problems, const char *text, const struct place *place);
// Adds one of another list.
void problems_copy(struct problems *problems, const struct problems *from, size_t i);
// The last one is wrong with more than the place that it names: with all that is read.
void problems_widen(struct problems *problems);
// Puts those from the index `first` on, which one file has brought, into the order of its lines.
// From now on they are of `line`, where that file is included.
void problems_order(struct problems *problems, size_t first, int line);
void problems_done(struct problems *problems);

// "FILE:LINE", or "FILE" without a line in it. Returns text.
const char *problems_place(const char *file, int line, char *text, size_t size);
