// SPDX-License-Identifier: MIT
#pragma once

#include "ctl/top_print.h"

// Puts a view on the screen. problem: a line about it, "": none. Sees to it that the view does not
// stand beyond the end of what can be seen.
void top_draw(struct top_view *view, const char *problem);
