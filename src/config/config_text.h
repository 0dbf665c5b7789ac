// SPDX-License-Identifier: MIT
// The text of a configuration file before libconfuse sees it: comments (# and // to the end of the
// line, /* to */) blanked, as the library counts their lines wrongly, and lines refused where its
// lexer would drop something without a word, as a * or + outside quotes, or take what nobody sees
// for a letter.
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/problems.h"

struct config_text {
    char *text;  // owned by the caller, also on failure
    size_t size; // of the file, as its lines
    int n_lines;
    dev_t device;
    ino_t inode;
};

// Reads path; `tail`, on a line of its own, follows the text. NULL, or a text of what is wrong with
// the whole file, valid until the next call of strerror(). Blocks on the file only; logs nothing.
const char *config_text_read(const char *path, const char *tail, struct config_text *ret);

// What a name may be given, for the text's caller to say.
enum config_text_option { OPTION_UNKNOWN, OPTION_VALUE, OPTION_LIST };
typedef enum config_text_option config_text_look_up(const void *data, const char *name);

// Blanks comments and what cannot be right, which goes to problems. A list for an option that takes
// none becomes its first entry: the library would stop at the brace.
void config_text_clean(struct config_text *text, const char *path, config_text_look_up *look_up,
                       const void *data, struct problems *problems);

// Blanks everything before the first line, from from_line on, that begins with one of these words,
// which open sections. That line; 0: there is none, and the text is blank.
int config_text_skip(struct config_text *text, int from_line, const char *const *words, size_t n);
