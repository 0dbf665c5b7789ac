// SPDX-License-Identifier: MIT
// Reading and cleaning a configuration's text. Newlines stay where they are, so lines keep their
// numbers; quoted strings stay as they are.

#include "config/config_text.h"

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

static void blank_line(struct cursor *cursor)
{
    while (*cursor->at != '\0' && *cursor->at != '\n')
        step(cursor, true);
}

// To behind the closing quote. NULL, or what is wrong: the quote and the rest of its line are taken
// out, as the library would go on looking for the other one in the next file.
static const char *skip_string(struct cursor *cursor)
{
    struct cursor opening = *cursor;
    char quote = *cursor->at;

    step(cursor, false);
    while (*cursor->at != '\0' && *cursor->at != quote) {
        if (*cursor->at == '\\' && cursor->at[1] != '\0')
            step(cursor, false);
        step(cursor, false);
    }
    if (*cursor->at != '\0') {
        step(cursor, false);
        return NULL;
    }
    *cursor = opening;
    *cursor->at++ = '0';
    blank_line(cursor);
    return "the quote that opens here is not closed";
}

// NULL, or what is wrong; all that follows is blank then.
static const char *blank_block(struct cursor *cursor)
{
    const char *end = strstr(cursor->at + 2, "*/");

    while (end ? cursor->at < end + 2 : *cursor->at != '\0')
        step(cursor, true);
    return end ? NULL : "the comment that begins here has no end";
}

static bool is_delimiter(char c)
{
    return c == '\0' || strchr(" \t\r\n={}(),", c);
}

static bool is_space(char c)
{
    return c != '\0' && strchr(" \t\r\n", c);
}

// Takes the word out, so that the rest can be understood: with its comma where it is in a list,
// else a 0 stands for it.
static const char *refuse_word(char *text, struct cursor *cursor)
{
    char *before, *after;

    while (cursor->at > text && !is_delimiter(cursor->at[-1]))
        cursor->at--;
    before = cursor->at;
    while (before > text && is_space(before[-1]))
        before--;
    if (before > text && before[-1] == '=')
        *cursor->at++ = '0';
    while (!is_delimiter(*cursor->at))
        step(cursor, true);
    after = cursor->at;
    while (is_space(*after))
        after++;
    if (*after == ',')
        *after = ' ';
    else if (before > text && before[-1] == ',')
        before[-1] = ' ';
    return "a value with * or + in it needs quotes";
}

void config_text_clean(struct config_text *text, const char *path, struct problems *problems)
{
    struct cursor cursor = {.at = text->text, .line = 1};
    bool in_word = false; // "http://x" without quotes holds no comment

    while (*cursor.at != '\0') {
        const char *wrong = NULL;
        char c = *cursor.at;
        int line = cursor.line;

        if (c == '"' || c == '\'') {
            wrong = skip_string(&cursor);
        } else if (c == '#' || (!in_word && strncmp(cursor.at, "//", 2) == 0)) {
            blank_line(&cursor);
        } else if (!in_word && strncmp(cursor.at, "/*", 2) == 0) {
            wrong = blank_block(&cursor);
        } else if (c == '*' || (c == '+' && cursor.at[1] != '=')) {
            wrong = refuse_word(text->text, &cursor);
        } else {
            in_word = !is_delimiter(c) && c != '+';
            step(&cursor, false);
            continue;
        }
        in_word = false;
        if (wrong)
            problems_add(problems, path, line, "%s", wrong);
    }
}

static bool begins_service(const char *line)
{
    line += strspn(line, " \t");
    return strncmp(line, "service", 7) == 0 && strchr(" \t\"'", line[7]) && line[7] != '\0';
}

int config_text_skip(struct config_text *text, int from_line)
{
    struct cursor cursor = {.at = text->text, .line = 1};

    while (*cursor.at != '\0' && (cursor.line < from_line || !begins_service(cursor.at))) {
        blank_line(&cursor);
        if (*cursor.at != '\0')
            step(&cursor, false);
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
    (void)snprintf(ret->text + n, room, "\n%s", tail);
    return NULL;
}
