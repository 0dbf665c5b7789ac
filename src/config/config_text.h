// SPDX-License-Identifier: MIT
// The text of a configuration file before libconfuse sees it: comments (# and // to the end of the
// line, /* to */) blanked, as the library counts their lines wrongly, and lines refused where its
// lexer would drop something without a word: a * or + outside quotes.
#pragma once

#include <stdio.h>

#include "config/config.h"

// Opens a regular file for reading without waiting for anybody, as a FIFO would. NULL and errno.
FILE *config_file_open(const char *path);

struct config_text {
    char *text;  // owned by the caller, also on failure
    int n_lines; // of the file
};

// Reads path; `tail`, on a line of its own, follows the text. NULL, or a text of what is wrong with
// the whole file, valid until the next call of strerror(). Blocks on the file only; logs nothing.
const char *config_text_read(const char *path, const char *tail, struct config_text *ret);

// Blanks comments and what cannot be right, which goes to problems.
void config_text_clean(struct config_text *text, const char *path, struct problems *problems);

// Blanks everything before the first line, from from_line on, that begins a service. That line; 0:
// there is none, and the text is blank.
int config_text_skip(struct config_text *text, int from_line);
