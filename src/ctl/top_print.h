// SPDX-License-Identifier: MIT
// What two looks say, as lines: for the screen and for what is no terminal.
#pragma once

#include "ctl/top_look.h"
#include "ctl/top_state.h"

struct top_view {
    struct top_look before, now; // before without a reply: since the start
    struct top_state state;
    const char *service; // "": all
};

// The daemon in *ret_head, the pools in *ret_table.
void top_print_pools(const struct top_view *view, struct top_lines *ret_head,
                     struct top_lines *ret_table, int width);
// How many sessions there are, then their table.
void top_print_sessions(struct top_view *view, struct top_lines *ret, int width);
