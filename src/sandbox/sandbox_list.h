// SPDX-License-Identifier: MIT
// The lists: what a process in a sandbox may call, as tables of names. Data alone.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"

// Stand in a program for what only the worker knows, until it is there (sandbox_filter.h). No
// process and no descriptor has such a number.
#define SANDBOX_OWN_PID  0x7ffffff1U
#define SANDBOX_LISTENER 0x7ffffff2U

// What becomes of a call.
enum sandbox_action {
    SANDBOX_ALLOW,
    SANDBOX_KILL,   // the process dies of SIGSYS
    SANDBOX_REFUSE, // EPERM, as without the privilege
    SANDBOX_ABSENT, // ENOSYS, as on an older kernel: libraries do without
};

// When the row counts, by one argument of the call. The kernel reads 32 bits of those that are
// looked at here, whatever is above: so IS and HAS_NONE_OF look at no more, while IS_NOT looks at
// all 64, as what it is for is to forbid.
enum sandbox_when { SANDBOX_ALWAYS, SANDBOX_IS, SANDBOX_IS_NOT, SANDBOX_HAS_NONE_OF };

struct sandbox_row {
    const char *call;
    enum sandbox_action action;
    enum sandbox_when when;
    unsigned argument;
    uint32_t value;
};

struct sandbox_table {
    enum sandbox_action other; // for calls without a row
    bool survives_exec;        // holds a program, too, which may be one of 32 bits
    const struct sandbox_row *rows;
    size_t n;
};

#define SANDBOX_TABLES 2

// What one table allows, the next one has its say about.
struct sandbox_list {
    struct sandbox_table tables[SANDBOX_TABLES];
};

// NULL: that kind has none.
const struct sandbox_list *sandbox_list_get(enum sandbox_kind kind);
