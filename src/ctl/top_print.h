// SPDX-License-Identifier: MIT
// What two looks say, as lines: for the screen and for what is no terminal.
#pragma once

#include "ctl/top_look.h"
#include "ctl/top_state.h"

// The daemon in *ret_head, the pools in *ret_table. before without a reply: since the start.
void top_print_make(struct top_lines *ret_head, struct top_lines *ret_table,
                    const struct top_look *now, const struct top_look *before,
                    const struct top_state *state, const char *service, int width);
