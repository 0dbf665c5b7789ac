// SPDX-License-Identifier: MIT
// Reading a configuration's text, and skipping what cannot be understood.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "config/config_text_private.h"

#define FILE_MAX (1024 * 1024)

static bool begins_with(const char *line, const char *word)
{
    size_t length = strlen(word);

    line += strspn(line, " \t");
    return strncmp(line, word, length) == 0 && line[length] != '\0' &&
           strchr(" \t\"'", line[length]);
}

static bool begins_section(const char *line, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (begins_with(line, words[i]))
            return true;
    return false;
}

int config_text_skip(struct config_text *text, int from_line, const char *const *words, size_t n)
{
    struct cursor cursor = {.at = text->text, .line = 1};

    while (*cursor.at != '\0' &&
           (cursor.line < from_line || !begins_section(cursor.at, words, n))) {
        cursor_blank_line(&cursor);
        if (*cursor.at != '\0')
            cursor_step(&cursor, false);
    }
    return *cursor.at != '\0' ? cursor.line : 0;
}

static int count_lines(const char *text)
{
    size_t length = strlen(text);
    int n = length == 0 || text[length - 1] != '\n';

    for (; *text; text++)
        n += *text == '\n';
    return n;
}

const char *config_text_read(const char *path, const char *tail, struct config_text *ret)
{
    struct file_text file;
    size_t room = strlen(tail) + 2;
    int r = file_read(path, FILE_MAX, room, &file);

    *ret = (struct config_text){0};
    if (r < 0)
        return r == -EFBIG ? "longer than 1 MiB" : strerror(-r);
    *ret = (struct config_text){.text = file.bytes,
                                .size = file.n,
                                .n_lines = count_lines(file.bytes),
                                .device = file.device,
                                .inode = file.inode};
    if (strlen(file.bytes) < file.n)
        return "holds a NUL byte";
    (void)snprintf(ret->text + file.n, room, "\n%s", tail);
    return NULL;
}
