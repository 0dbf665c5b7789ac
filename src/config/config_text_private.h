// SPDX-License-Identifier: MIT
// What the files share that work on a configuration's text: config_text.c (cleaning it) and
// config_text_read.c (reading it, and skipping what cannot be understood).
#pragma once

#include <stdbool.h>

#include "config/config_text.h"

struct cursor {
    char *at;
    int line;
};

// To the next byte. What is blanked becomes a space, but newlines stay.
void cursor_step(struct cursor *cursor, bool blank);
void cursor_blank_line(struct cursor *cursor);
