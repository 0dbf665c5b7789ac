// SPDX-License-Identifier: MIT
// Cleaning a configuration's text. Newlines stay where they are, so lines keep their numbers;
// quoted strings stay as they are.

#include "config_text.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct cursor {
    char *at;
    int line;
};

static void step(struct cursor *cursor, bool blank)
{
    if (*cursor->at == '\n')
        cursor->line++;
    else if (blank)
        *cursor->at = ' ';
    cursor->at++;
}

// To the closing quote; a missing one is the library's to report.
static void skip_string(struct cursor *cursor)
{
    char quote = *cursor->at;

    step(cursor, false);
    while (*cursor->at != '\0' && *cursor->at != quote) {
        if (*cursor->at == '\\' && cursor->at[1] != '\0')
            step(cursor, false);
        step(cursor, false);
    }
    if (*cursor->at != '\0')
        step(cursor, false);
}

static void blank_line(struct cursor *cursor)
{
    while (*cursor->at != '\0' && *cursor->at != '\n')
        step(cursor, true);
}

static const char *blank_block(struct cursor *cursor)
{
    const char *end = strstr(cursor->at + 2, "*/");

    if (!end)
        return "the comment that begins here has no end";
    while (cursor->at < end + 2)
        step(cursor, true);
    return NULL;
}

const char *config_text_clean(char *text, int *ret_line)
{
    struct cursor cursor = {.at = text, .line = 1};
    const char *wrong = NULL;
    bool in_word = false; // "http://x" without quotes holds no comment

    while (!wrong && *cursor.at != '\0') {
        char c = *cursor.at;

        *ret_line = cursor.line;
        if (c == '"' || c == '\'') {
            skip_string(&cursor);
        } else if (c == '#' || (!in_word && strncmp(cursor.at, "//", 2) == 0)) {
            blank_line(&cursor);
        } else if (!in_word && strncmp(cursor.at, "/*", 2) == 0) {
            wrong = blank_block(&cursor);
        } else if (c == '*' || (c == '+' && cursor.at[1] != '=')) {
            wrong = "a value with * or + in it needs quotes";
        } else {
            in_word = strchr(" \t\r\n={}(),+", c) == NULL;
            step(&cursor, false);
            continue;
        }
        in_word = false;
    }
    return wrong;
}
