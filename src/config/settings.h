// SPDX-License-Identifier: MIT
// The one table of what may stand in tcpd.conf: names, kinds, defaults, ranges, and which handler
// an option belongs to. Turns texts into values of struct config and struct service. Pure: no
// files, no sockets, no log.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"

enum setting_kind {
    SETTING_SPAN,    // uint64_t microseconds
    SETTING_COUNT,   // unsigned
    SETTING_CHOICE,  // int, index into names
    SETTING_TEXT,    // char *
    SETTING_MODE,    // unsigned, octal
    SETTING_NUMBER,  // int64_t, or `inherit`
    SETTING_MASK,    // int64_t, octal, or `inherit`
    SETTING_LIMIT,   // int64_t with K, M, G or T, `infinity`, or `inherit`
    SETTING_HANDLER, // const struct handler *
    SETTING_LISTEN,  // list of struct listen
    SETTING_LIST,    // struct text_list
};

struct setting {
    const char *name;
    enum setting_kind kind;
    bool global;         // of the file; else of a service
    size_t offset;       // into struct config or struct service
    const char *initial; // the default as text, NULL: none
    unsigned min, max;   // counts, modes; of numbers max is also how far below zero
    const char *const *names;
    int n_names;         // choices
    const char *handler; // the only handler that has it, NULL: every service
};

extern const struct setting settings[];
extern const size_t settings_n;

// Whether it takes a list of values, in braces.
bool settings_is_list(const struct setting *setting);

// The index of the setting of that name and scope, -1 when there is none.
int settings_find(const char *name, bool global);

// Sets target (a struct config or struct service) from text. NULL, or an owned text of what is
// wrong and what is allowed; target is changed on success only.
char *settings_set(const struct setting *setting, void *target, const char *text);

// Gives target every default of its scope.
void settings_init(void *target, bool global);
