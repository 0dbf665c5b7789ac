// SPDX-License-Identifier: MIT
// What top shows of sessions, as lines.
#pragma once

#include "ctl/top_text.h"
#include "view/session_rates.h"

// A line with the names of the columns, then one for each session, n at most: nobody looks at
// thousands. width 0: any width will do.
void top_sessions_make(struct top_lines *lines, const struct session_rates_view *view, size_t n,
                       int width);
