// SPDX-License-Identifier: MIT
// A section that is being read: which of its settings were given, where, and their values. It has
// the form of its kind and, where one setting of that form chooses among variants, the forms of all
// variants beside it: the choice may be written behind what belongs to it. What is wrong goes to
// problems. Whoever reads a text makes sections (reader.h; `tcpd run`); what they mean is the
// kind's.
#pragma once

#include <limits.h>

#include "base/problems.h"
#include "config/form.h"

struct section;

struct variant {
    const char *name;
    const struct form *form;
};

// NAME "TITLE" { ... }
struct section_kind {
    const char *name; // NULL: what stands in the file outside of all sections
    const struct form *form;
    const struct variant *variants; // which its SETTING_VARIANT chooses from
    size_t n_variants;
    // A setting of the form has got its value; NULL: nobody wants to know.
    void (*set)(const struct setting *setting, const struct place *place, void *data);
    void (*end)(struct section *section, void *data); // takes what was read; it is freed afterwards
    void *data;
};

#define SECTION_UNUSED INT_MIN // it may not be given, beside what else the section has

// One form of the section.
struct section_part {
    const struct form *form;
    const char *variant; // whose it is, NULL: the kind's
    void *values;        // a struct of the form
    int *lines;          // where each setting was given, 0: nowhere, negative: in no file; or:
    char **wrong;        // values of a variant not chosen yet: what is wrong with them
    char *wrong_default; // what form_init() has found
};

struct section {
    const struct section_kind *kind;
    struct problems *problems;
    char *title, *file;   // from its end on
    int first_line, line; // of its beginning and its end
    bool is_again;        // there was one of that title before: it is to be looked at no further
    struct section_part *parts; // the kind's, then one for each variant
    size_t n_parts;
    struct section_part *chosen; // the variant's, NULL: none
    void *borrowed;              // values that are the caller's, NULL: none
};

// values: a struct to be filled that stays the caller's, and has its defaults; NULL: a new one.
struct section *section_new(const struct section_kind *kind, void *values,
                            struct problems *problems);

// A setting that is given, once more for each entry of a list. False: there is none of that name.
bool section_set(struct section *section, const char *name, const char *text,
                 const struct place *place);
// It is given once more at place, though it may be only once.
void section_refuse_again(const struct section *section, const char *name,
                          const struct place *place);
// The setting, or NULL; of several variants the first one's.
const struct setting *section_find(const struct section *section, const char *name);

// The section, which began at that line, is whole: adds what is wrong, unless there was one of that
// title before, and calls the kind's end(). Frees the section.
void section_end(struct section *section, const char *title, int first_line,
                 const struct place *place);
// Gives it up, or what end() has left of it. NULL is fine.
void section_free(struct section *section);

// --- For a kind's end() and for what it calls ---
// Where a setting was given: the line, 0: nowhere, negative: in no file.
int section_line(const struct section *section, const char *name);
// The struct of the kind's form, or of the chosen variant's: the caller's from now on.
void *section_take(struct section_part *part);
// Its lines, in the order of the form's settings; then nobody can ask for them here any more.
int *section_take_lines(struct section_part *part);
// The setting has no effect besides others of the section, and may not be given.
void section_mark_unused(const struct section *section, const char *name);

// The names of a kind's variants, separated by ", ", for messages. Returns text.
const char *section_variants(const struct section_kind *kind, char *text, size_t size);
// The name of a setting that may have been meant, if it is closer than *best (spelling.h); else
// NULL.
const char *section_suggest(const struct section_kind *kind, const char *name, unsigned *best);
