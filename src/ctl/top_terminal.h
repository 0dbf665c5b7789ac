// SPDX-License-Identifier: MIT
#pragma once

#include <stdbool.h>

// Whether the terminal of that name in $TERM, as standard output is, can move its cursor.
bool top_terminal_moves(void);
