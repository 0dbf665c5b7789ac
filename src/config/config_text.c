// SPDX-License-Identifier: MIT
// Cleaning a configuration's text: comments, words and lists. Newlines stay where they are, so
// lines keep their numbers; quoted strings stay as they are.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config_text_private.h"

#define LOOK_BACK_MAX 1000 // bytes of white space; a text full of such words is no configuration

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
    while (before > text && cursor->at - before < LOOK_BACK_MAX && is_space(before[-1]))
        before--;
    if (before > text && before[-1] == '=')
        *cursor->at++ = '0';
    while (!is_delimiter(*cursor->at))
        cursor_step(cursor, true);
    after = cursor->at;
    while (is_space(*after))
        after++;
    if (*after == ',')
        *after = ' ';
    else if (before > text && before[-1] == ',')
        before[-1] = ' ';
    return "a value with * or + in it needs quotes";
}

// The name in front of "= {", copied; "": there is none. Where it begins.
static char *name_before(char *text, char *brace, char *name, size_t size)
{
    char *end = brace, *start;

    while (end > text && is_space(end[-1]))
        end--;
    if (end > text && end[-1] == '=')
        end -= end - 1 > text && end[-2] == '+' ? 2 : 1;
    else
        end = text;
    while (end > text && is_space(end[-1]))
        end--;
    for (start = end; start > text && !is_delimiter(start[-1]);)
        start--;
    (void)snprintf(name, size, "%.*s", (int)(end - start), start);
    return start;
}

static void blank(char *from, const char *to)
{
    for (; from < to; from++)
        if (*from != '\n')
            *from = ' ';
}

// Opens a section or a list.
static void open_brace(struct cleaning *cleaning)
{
    struct misplaced *list = &cleaning->list;
    enum config_text_option option;
    char name[64], *start;

    if (list->where != NOWHERE)
        *list->brace = '{'; // it was not closed, which the library reports
    list->where = NOWHERE;
    start = name_before(cleaning->text->text, cleaning->cursor.at, name, sizeof(name));
    option = *name == '\0' ? OPTION_LIST : cleaning->look_up(cleaning->data, name);
    if (option == OPTION_LIST)
        return;
    if (option == OPTION_VALUE)
        problems_add(cleaning->problems, cleaning->path, cleaning->cursor.line,
                     "%s takes one value, without braces", name);
    *list = (struct misplaced){.where = BEFORE_FIRST,
                               .name = option == OPTION_VALUE ? start : NULL,
                               .brace = cleaning->cursor.at};
    *list->brace = ' ';
    for (char *at = start; at < list->brace; at++)
        if (*at == '+')
            *at = ' '; // nothing is appended to one value
}

static void close_brace(struct misplaced *list, char *brace)
{
    if (list->where == NOWHERE)
        return;
    if (list->where == BEFORE_FIRST && list->name) // an empty list: it was refused as such
        blank(list->name, brace);
    else if (list->where == BEFORE_FIRST)
        *list->brace = '0'; // so that the library meets the option
    if (list->where == IN_REST)
        blank(list->rest, brace);
    *brace = ' ';
    list->where = NOWHERE;
}

// Any character but those of comments.
static void look_at(struct cleaning *cleaning, char c)
{
    struct misplaced *list = &cleaning->list;

    if (c == '{') {
        open_brace(cleaning);
    } else if (c == '}') {
        close_brace(list, cleaning->cursor.at);
    } else if (list->where == IN_FIRST && c == ',') {
        list->where = IN_REST;
        list->rest = cleaning->cursor.at;
    } else if (list->where == BEFORE_FIRST && !is_space(c)) {
        list->where = IN_FIRST;
    }
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
    look_at(cleaning, c);
    if (c == '"' || c == '\'') {
        config_text_quoted(cleaning);
        return NULL;
    }
    if (could_begin && config_text_variable(cleaning))
        return NULL;
    if (c == '*' || (c == '+' && cursor->at[1] != '='))
        return refuse_word(cleaning->text->text, cursor);
    *in_word = !is_delimiter(c) && c != '+';
    cursor_step(cursor, false);
    return NULL;
}

void config_text_clean(struct config_text *text, const char *path, config_text_look_up *look_up,
                       const void *data, struct problems *problems)
{
    struct cleaning cleaning = {
        .text = text,
        .path = path,
        .look_up = look_up,
        .data = data,
        .problems = problems,
        .cursor = {.at = text->text, .line = 1},
    };
    bool in_word = false;
    char *spelt;

    while (*cleaning.cursor.at != '\0') {
        int line = cleaning.cursor.line;
        const char *wrong = clean_next(&cleaning, &in_word);

        if (wrong)
            problems_add(problems, path, line, "%s", wrong);
    }
    spelt = config_text_spell(text->text, cleaning.cursor.at);
    free(text->text);
    text->text = spelt;
}
