// SPDX-License-Identifier: MIT
// Cleaning a configuration's text of comments, of what nobody sees, and of quotes that are not
// closed. Newlines stay where they are, so lines keep their numbers.

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "config/config_text_private.h"

#define FILE_MAX (1024 * 1024)

void cursor_step(struct cursor *cursor, bool blank)
{
    if (*cursor->at == '\n')
        cursor->line++;
    else if (blank)
        *cursor->at = ' ';
    cursor->at++;
}

void cursor_blank_line(struct cursor *cursor)
{
    while (*cursor->at != '\0' && *cursor->at != '\n')
        cursor_step(cursor, true);
}

// NULL, or what is wrong; all that follows is blank then.
static const char *blank_block(struct cursor *cursor)
{
    const char *end = strstr(cursor->at + 2, "*/");

    while (end ? cursor->at < end + 2 : *cursor->at != '\0')
        cursor_step(cursor, true);
    return end ? NULL : "the comment that begins here has no end";
}

static bool is_delimiter(char c)
{
    return c == '\0' || strchr(" \t\r\n={}(),", c);
}

// One step: a comment, a string, or one character. What is wrong with it, or NULL.
static const char *clean_next(struct cleaning *cleaning, bool *in_word)
{
    struct cursor *cursor = &cleaning->cursor;
    bool could_begin = !*in_word; // "http://x" without quotes holds no comment
    char c = *cursor->at;

    if (config_text_refuse(cleaning, in_word))
        return NULL;
    *in_word = false;
    if (c == '#' || (could_begin && strncmp(cursor->at, "//", 2) == 0)) {
        cursor_blank_line(cursor);
        return NULL;
    }
    if (could_begin && strncmp(cursor->at, "/*", 2) == 0)
        return blank_block(cursor);
    if (c == '"' || c == '\'') {
        config_text_quoted(cleaning);
        return NULL;
    }
    if (could_begin && config_text_variable(cleaning))
        return NULL;
    *in_word = !is_delimiter(c) && c != '+';
    cursor_step(cursor, false);
    return NULL;
}

// The mark that some editors put in front of UTF-8.
static void skip_mark(char *text)
{
    static const char mark[] = "\xef\xbb\xbf";

    if (strncmp(text, mark, strlen(mark)) == 0)
        memset(text, ' ', strlen(mark));
}

void config_text_clean(struct config_text *text, const char *path, config_text_is_name *is_name,
                       const void *data, struct problems *problems)
{
    struct cleaning cleaning = {
        .text = text,
        .path = path,
        .is_name = is_name,
        .data = data,
        .problems = problems,
        .cursor = {.at = text->text, .line = 1},
    };
    bool in_word = false;
    char *spelt;

    skip_mark(text->text);
    while (*cleaning.cursor.at != '\0') {
        int line = cleaning.cursor.line;
        const char *wrong = clean_next(&cleaning, &in_word);

        if (!wrong)
            continue;
        problems_add(problems, path, line, "%s", wrong);
        problems_widen(problems); // whatever follows is in it
    }
    spelt = config_text_spell(text->text, cleaning.cursor.at);
    free(text->text);
    text->text = spelt;
}

const char *config_text_read(const char *path, struct config_text *ret)
{
    struct file_text file;
    int r = path ? file_read(path, FILE_MAX, &file) : file_read_open(STDIN_FILENO, FILE_MAX, &file);

    *ret = (struct config_text){0};
    if (r < 0)
        return r == -EFBIG ? "longer than 1 MiB" : strerror(-r);
    *ret = (struct config_text){
        .text = file.bytes, .size = file.n, .device = file.device, .inode = file.inode};
    return strlen(file.bytes) < file.n ? "holds a NUL byte" : NULL;
}
