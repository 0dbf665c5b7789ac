// SPDX-License-Identifier: MIT
// What is shown has been named by others, such as the path of a unix socket. It may have any
// character of UTF-8, as sd-bus has checked, and a terminal may obey some of them.

#include "ctl/top_text.h"

#include <langinfo.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "base/base.h"

static bool is_utf8(void)
{
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

const char *top_text_at_most(void)
{
    return is_utf8() ? "\u2264" : "<=";
}

// The columns of the character at text, and its bytes; -1: it is not shown as one.
static int measure(const char *text, size_t *ret_size)
{
    unsigned char c = (unsigned char)*text;
    mbstate_t state = {0};
    wchar_t wide;
    size_t n;

    *ret_size = 1;
    if (c < 0x80)
        return c >= 0x20 && c != 0x7f ? 1 : -1;
    while (((unsigned char)text[*ret_size] & 0xc0) == 0x80)
        (*ret_size)++;
    if (!is_utf8())
        return -1;
    n = mbrtowc(&wide, text, *ret_size, &state);
    return n == *ret_size ? wcwidth(wide) : -1;
}

void top_text_clean(char *text)
{
    char *to = text;

    while (*text != '\0') {
        size_t size;

        if (measure(text, &size) < 0)
            *to++ = '?';
        else
            for (size_t i = 0; i < size; i++)
                *to++ = text[i];
        text += size;
    }
    *to = '\0';
}

int top_text_width(const char *text)
{
    int width = 0;

    while (*text != '\0') {
        size_t size;
        int columns = measure(text, &size);

        width += columns > 0 ? columns : 0;
        text += size;
    }
    return width;
}

void top_text_cut(char *text, int width)
{
    int used = 0;

    if (top_text_width(text) <= width)
        return;
    while (*text != '\0') {
        size_t size;
        int columns = measure(text, &size);

        if (used + columns >= width)
            break;
        used += columns;
        text += size;
    }
    if (width > 0)
        *text++ = '+';
    *text = '\0';
}

void top_lines_add(struct top_lines *lines, enum top_style style, const char *format, ...)
{
    struct top_line *line;
    va_list arguments;

    lines->lines = base_checked(reallocarray(lines->lines, lines->n + 1, sizeof(*lines->lines)));
    line = &lines->lines[lines->n];
    line->style = style;
    va_start(arguments, format);
    if (vasprintf(&line->text, format, arguments) < 0)
        base_out_of_memory();
    va_end(arguments);
    top_text_clean(line->text);
    lines->n++;
}

void top_lines_done(struct top_lines *lines)
{
    for (size_t i = 0; i < lines->n; i++)
        free(lines->lines[i].text);
    free(lines->lines);
    *lines = (struct top_lines){0};
}
