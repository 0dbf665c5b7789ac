// SPDX-License-Identifier: MIT
// A configuration's text in pieces, and a text that is written of such pieces. Knows no names. The
// text is one that config_text_clean() has left: no comments, and every quote is closed.
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum token_kind { // or the character itself: one of = { } ( ) , and + for "+="
    TOKEN_END = 0,
    TOKEN_WORD = 256,
    TOKEN_STRING,   // with its quotes
    TOKEN_VARIABLE, // ${NAME} that is a whole word
};

struct token {
    int kind;
    const char *at; // where it begins
    size_t n;       // bytes
    int line;
    const char *behind; // where what follows it begins
    int line_behind;
};

// The token that begins there, or behind white space.
struct token token_read(const char *at, int line);

bool token_is(const struct token *token, const char *word);
// Whether it may be a value: a word, a string or a variable.
bool token_is_value(const struct token *token);

// A text in the making. Each token is written in the line that it has in the text it is from.
struct written {
    char *bytes; // owned; the caller frees them
    size_t n, room;
    int line; // the last one; begins with 1
};

// Goes on to a line.
void write_line(struct written *written, int line);
void write_token(struct written *written, const struct token *token);
// Something that the text lacks, behind what was written last.
void write_text(struct written *written, const char *text);
// A value; as one text in quotes whatever is in it, with `prefix` at its beginning.
void write_value(struct written *written, const struct token *token, const char *prefix);
