// SPDX-License-Identifier: MIT
// The text of a configuration file before its grammar is looked at: comments (# and // to the end
// of the line, /* to */) blanked, as libconfuse counts their lines wrongly, and refused what stands
// outside of quotes and nobody sees, quotes that are not closed, and escapes and variables that the
// library would drop something of without a word.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/problems.h"

struct config_text {
    char *text;  // owned by the caller, also on failure
    size_t size; // of the file
    dev_t device;
    ino_t inode;
};

// Reads path; NULL: standard input. NULL, or a text of what is wrong with the whole file, valid
// until the next call of strerror(). Blocks on the file only; logs nothing.
const char *config_text_read(const char *path, struct config_text *ret);

// Whether a line may begin with that word, as a name or a section does.
typedef bool config_text_is_name(const void *data, const char *word);

// Blanks comments and what cannot be right, which goes to problems.
void config_text_clean(struct config_text *text, const char *path, config_text_is_name *is_name,
                       const void *data, struct problems *problems);
