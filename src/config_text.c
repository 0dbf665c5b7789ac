// SPDX-License-Identifier: MIT
// Reading and cleaning a configuration's text. Newlines stay where they are, so lines keep their
// numbers; quoted strings stay as they are.

#include "config_text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX (1024 * 1024)

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

static const char *clean(char *text, int *ret_line)
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

static int count_lines(const char *text)
{
    size_t length = strlen(text);
    int n = length == 0 || text[length - 1] != '\n';

    for (; *text; text++)
        n += *text == '\n';
    return n;
}

FILE *config_file_open(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    FILE *file = NULL;

    if (fd < 0)
        return NULL;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        file = fdopen(fd, "r");
    else
        errno = S_ISDIR(st.st_mode) ? EISDIR : ENOTSUP; // strerror: "Operation not supported"
    if (!file)
        (void)close(fd);
    return file;
}

const char *config_text_read(const char *path, const char *tail, struct config_text *ret)
{
    FILE *file = config_file_open(path);
    size_t n = 0, room = strlen(tail) + 2;
    const char *wrong = NULL;

    ret->text = malloc(FILE_MAX + 1 + room);
    if (!ret->text)
        abort();
    if (file)
        n = fread(ret->text, 1, FILE_MAX + 1, file);
    if (!file || ferror(file))
        wrong = strerror(errno);
    else if (n > FILE_MAX)
        wrong = "longer than 1 MiB";
    else if (memchr(ret->text, '\0', n))
        wrong = "holds a NUL byte";
    if (file)
        (void)fclose(file); // only read from
    if (wrong)
        return wrong;
    ret->text[n] = '\0';
    ret->n_lines = count_lines(ret->text);
    wrong = clean(ret->text, &ret->line);
    if (!wrong)
        (void)snprintf(ret->text + n, room, "\n%s", tail);
    return wrong;
}
