// SPDX-License-Identifier: MIT
// Texts as a terminal shows them, in the character set of the locale, and lines of them.
#pragma once

#include <stdbool.h>
#include <stddef.h>

// "≤", or what stands for it in other character sets than UTF-8.
const char *top_text_at_most(void);

// Puts '?' for what the terminal would not show as a character, such as control characters.
void top_text_clean(char *text);
// The columns of a terminal that a clean text takes.
int top_text_width(const char *text);
// Shortens a clean text that is wider; its last character is '+' then.
void top_text_cut(char *text, int width);

enum top_style { TOP_PLAIN, TOP_HEAD, TOP_NOTICE, TOP_WARNING, TOP_ALARM, TOP_STYLES };

struct top_line {
    char *text; // clean
    enum top_style style;
};

struct top_lines {
    struct top_line *lines; // owned
    size_t n;
};

__attribute__((format(printf, 3, 4))) void
top_lines_add(struct top_lines *lines, enum top_style style, const char *format, ...);
void top_lines_done(struct top_lines *lines);
