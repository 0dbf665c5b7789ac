// SPDX-License-Identifier: MIT
// Forms: tables of settings over a struct, with names, kinds, defaults and ranges. What every
// service has is one (settings.h), what a handler has of its own is another, beside that handler.
// Whoever declares a form owns the struct's meaning; this only fills, checks and frees it. Pure: no
// files, no sockets, no log. Without memory the process ends.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "access/rules.h"
#include "base/address.h"
#include "base/problems.h"

// A list of texts, which execve(2) takes as it is.
struct text_list {
    char **items; // behind the last one NULL; NULL itself when n is 0
    size_t n;
};

// An entry of `listen`, or the only one.
struct listen {
    char *text;
    struct address_spec spec;
    char *file; // where it is written
    int line;
};

struct listen_list {
    struct listen *items;
    size_t n;
};

#define INHERIT INT64_MAX // `inherit`: as tcpd itself has it

// What a field of the struct is, and how it is written.
enum setting_kind {
    SETTING_SPAN,     // uint64_t microseconds
    SETTING_COUNT,    // unsigned
    SETTING_CHOICE,   // int, index into names
    SETTING_TEXT,     // char *, owned; NULL: not given
    SETTING_MODE,     // unsigned, octal
    SETTING_NUMBER,   // int64_t, or INHERIT
    SETTING_MASK,     // int64_t, octal, or INHERIT
    SETTING_LIMIT,    // int64_t with K, M, G or T, RLIM_INFINITY, or INHERIT
    SETTING_LISTEN,   // struct listen_list
    SETTING_ADDRESS,  // struct listen; text NULL: not given
    SETTING_LIST,     // struct text_list
    SETTING_PREFIXES, // struct rule_list
    SETTING_RATE,     // struct rate
    SETTING_VARIANT,  // no field: the name of the section's variant (section.h)
};

struct setting {
    const char *name;
    size_t offset;       // of the field
    const char *initial; // the default as text, NULL: the field is 0
    const char *const *names;
    enum setting_kind kind;
    unsigned min, max; // counts, modes; of numbers max is also how far below zero
    int n_names;       // choices
    const char *empty; // what is wrong with {}, NULL: a list may be empty
    bool is_path;      // of files; a relative one begins at the configuration's folder
};

struct form {
    const struct setting *settings;
    size_t n;
    size_t size; // of the struct
};

// For tables: what begins a row, FIELD("delay", SPAN, struct hello, delay_usec); a row's choices,
// an array of names; and the form that a table has.
#define FIELD(NAME, KIND, type, field) \
    .name = (NAME), .kind = SETTING_##KIND, .offset = offsetof(type, field)
#define CHOICES(table) .names = (table), .n_names = ELEMENTS(table)
#define FORM(type, table)                                               \
    {                                                                   \
        .settings = (table), .n = ELEMENTS(table), .size = sizeof(type) \
    }

// A copy of the text at the end of the list; and frees all of it.
void text_list_add(struct text_list *list, const char *text);
void text_list_done(struct text_list *list);

// Whether it takes a list of values, in braces.
bool setting_is_list(const struct setting *setting);

// The setting of that name, NULL: there is none.
const struct setting *form_find(const struct form *form, const char *name);
// The name that may have been meant, if it is closer than *best (spelling.h); else NULL.
const char *form_suggest(const struct form *form, const char *name, unsigned *best);

// Sets the field of values, a struct of the form, from a text that is written at place. NULL, or an
// owned text of what is wrong and what is allowed; the field is changed on success only.
char *setting_set(const struct setting *setting, void *values, const char *text,
                  const struct place *place);

// Prints the field of values as tcpd.conf has it, so that it is read as the same value anywhere: a
// relative path gets the folder in front ("": none). False: it has no value, and nothing is
// printed.
bool setting_print(const struct setting *setting, const void *values, const char *folder,
                   FILE *stream);

// Gives a zeroed struct every default. NULL, or an owned text of the first default that is not
// within its own range, which is a fault of the form.
char *form_init(const struct form *form, void *values);
// Frees what fields hold, which are empty then; not the struct.
void form_done(const struct form *form, void *values);
