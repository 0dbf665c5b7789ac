// SPDX-License-Identifier: MIT
// What the files share that work on a configuration's text: config_text.c (reading and cleaning
// it), config_text_characters.c (characters outside of quotes) and config_text_quotes.c (what is in
// quotes, and variables).
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "config/config_text.h"

struct cursor {
    char *at;
    int line;
};

// Which characters of a line were refused: each is once.
struct refused {
    int line;
    uint32_t codes[8];
    size_t n;
};

struct cleaning {
    struct config_text *text;
    const char *path;
    config_text_is_name *is_name;
    const void *data;
    struct problems *problems;
    struct cursor cursor;
    struct refused refused;
};

// To the next byte. What is blanked becomes a space, but newlines stay.
void cursor_step(struct cursor *cursor, bool blank);
void cursor_blank_line(struct cursor *cursor);

// Refuses the character at the cursor if it may not stand outside of quotes, and steps over it:
// where it looks like white space or a quote there are spaces then, and a word ends; else NULs,
// which are to be taken out, so that a word stays one. False: it may stand there, and the cursor is
// at its last byte.
bool config_text_refuse(struct cleaning *cleaning, bool *in_word);

// Steps over a text in quotes; what is wrong with it is refused, and harmless then.
void config_text_quoted(struct cleaning *cleaning);
// Steps over ${NAME} outside of quotes, where a word may begin; false: none begins here.
bool config_text_variable(struct cleaning *cleaning);
// A copy, the caller's, of what was cleaned, without its NULs. In single quotes the library makes
// one backslash of two and drops one that ends a line: they are doubled, so that all stand for
// themselves but those before a single quote.
char *config_text_spell(const char *text, const char *end);
