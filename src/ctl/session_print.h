// SPDX-License-Identifier: MIT
// Sessions as a table, whose columns are as wide as what they hold, and as JSON.
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "ctl/kernel.h"
#include "view/sessions.h"

struct session_view {
    struct sessions sessions;
    size_t n;                     // of them, those that are shown
    bool has_kernel, has_waiting; // are asked for:
    struct kernel kernel;
};

void session_print_table(FILE *stream, const struct session_view *view);
// One object.
void session_print_json(FILE *stream, const struct session_view *view);
