// SPDX-License-Identifier: MIT
// The terminal. Nothing else knows ncurses.
#pragma once

#include <stdbool.h>

#include "ctl/top_text.h"

// Whether standard input and output are a terminal that can move its cursor.
bool top_screen_is_possible(void);

// Takes the terminal. False: it cannot be had.
bool top_screen_open(void);
void top_screen_close(void); // as it was before

void top_screen_size(int *ret_rows, int *ret_columns);
void top_screen_resize(void);  // the terminal has another size
void top_screen_repaint(void); // the next time all is drawn anew
// A byte, an enum top_key, or -1: none was pressed.
int top_screen_key(void);

// What stands on the screen, from the top; lines that do not fit are left out.
void top_screen_begin(void);
void top_screen_put(const struct top_line *line);
void top_screen_end(const char *last); // on the last line, if there is room
