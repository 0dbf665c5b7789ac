// SPDX-License-Identifier: MIT
// Texts in quotes, and variables. libconfuse drops the backslash of an escape that it does not
// know, and takes ${ up to the next } wherever that is, maybe behind the quotes: both are refused
// here.

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/character.h"
#include "config/config_text_private.h"

static void refuse(const struct cleaning *cleaning, const char *what)
{
    problems_add(cleaning->problems, cleaning->path, cleaning->cursor.line, "%s", what);
}

// --- Escapes in double quotes ---

// How many bytes the escape at the backslash has; 0: the library does not know it, or it is an
// octal one of fewer than three digits: \1 is meant for sed(1).
static size_t escape_length(const char *at)
{
    size_t n = 0;

    if (at[1] == '$')
        return at[2] == '{' ? 2 : 0;
    if (at[1] == 'x') {
        while (n < 2 && isxdigit((unsigned char)at[2 + n]))
            n++;
        return n > 0 ? 2 + n : 0;
    }
    if (isdigit((unsigned char)at[1]))
        return at[1] <= '3' && strspn(at + 1, "01234567") >= 3 && !isdigit((unsigned char)at[4])
                   ? 4
                   : 0;
    return strchr("abefnrtv\"\\\n", at[1]) ? 2 : 0;
}

static bool is_nul(const char *escape, size_t length)
{
    size_t digits = escape[1] == 'x' ? 2 : 1;

    return length > 2 && strspn(escape + digits, "0") >= length - digits;
}

// What was probably taken for an escape, for a message.
static size_t shown_length(const char *at)
{
    size_t n = strspn(at + 1, "0123456789");

    return 1 + (n > 0 ? n : character_at(at + 1, strnlen(at + 1, 4)).length);
}

static void explain_escape(const struct cleaning *cleaning, const char *at, size_t length)
{
    int n = (int)(length > 0 ? length : shown_length(at));

    if (length > 0)
        problems_add(cleaning->problems, cleaning->path, cleaning->cursor.line,
                     "\"%.*s\" is a NUL byte, which no text can hold", n, at);
    else
        problems_add(cleaning->problems, cleaning->path, cleaning->cursor.line,
                     "\"%.*s\" is no escape; write the text in single quotes, where a backslash is "
                     "itself, or \"\\%.*s\"",
                     n, at, n, at);
}

// One message for each text, which is likely to be full of them.
static void take_escape(struct cleaning *cleaning, bool *said)
{
    struct cursor *cursor = &cleaning->cursor;
    size_t n = escape_length(cursor->at);

    if (n > 0 && !is_nul(cursor->at, n)) {
        cursor_step(cursor, false);
        cursor_step(cursor, false); // it may be a newline
        return;
    }
    if (!*said)
        explain_escape(cleaning, cursor->at, n);
    *said = true;
    *cursor->at++ = '_'; // the library would give up at some of them, and not leave the quotes
}

// --- Variables ---

// How many bytes ${NAME} or ${NAME:-text} has; 0: it is none, or not one before `stop`.
static size_t variable_length(const char *at, const char *stop)
{
    const char *name = at + 2, *end = name;

    while (isalnum((unsigned char)*end) || *end == '_')
        end++;
    if (end == name || isdigit((unsigned char)*name))
        return 0;
    if (end[0] == ':' && end[1] == '-')
        end += 2 + strcspn(end + 2, stop);
    return *end == '}' ? (size_t)(end + 1 - at) : 0;
}

static void refuse_variable(const struct cleaning *cleaning)
{
    refuse(cleaning, "${ begins no variable here; write ${NAME} or ${NAME:-text}, or the text in "
                     "single quotes, where it stays");
}

bool config_text_variable(struct cleaning *cleaning)
{
    struct cursor *cursor = &cleaning->cursor;
    size_t n;

    if (strncmp(cursor->at, "${", 2) != 0)
        return false;
    n = variable_length(cursor->at, "}\"'\\#\t\r\n");
    if (n > 0) {
        cursor->at += n;
        return true;
    }
    refuse_variable(cleaning);
    *cursor->at++ = '0';
    n = strcspn(cursor->at, "}\n");
    n += cursor->at[n] == '}';
    memset(cursor->at, ' ', n);
    cursor->at += n;
    return true;
}

static void take_dollar(struct cleaning *cleaning)
{
    struct cursor *cursor = &cleaning->cursor;
    size_t n = cursor->at[1] == '{' ? variable_length(cursor->at, "}\"\\\n") : 1;

    if (n == 0) {
        refuse_variable(cleaning);
        *cursor->at = '_';
    }
    cursor->at += n > 0 ? n : 1;
}

// --- Texts ---

// The closing quote, NULL: there is none.
static const char *find_end(const char *opening)
{
    const char *at = opening + 1;

    for (; *at != '\0' && *at != *opening; at++)
        if (at[0] == '\\' && at[1] != '\0')
            at++;
    return *at != '\0' ? at : NULL;
}

// Whether a line begins as a statement does, or with the end of a section.
static bool is_statement(const struct cleaning *cleaning, const char *line)
{
    size_t n = strspn(line, "abcdefghijklmnopqrstuvwxyz_0123456789");
    const char *behind = line + n + strspn(line + n, " \t");
    char word[64];

    if (*line == '}')
        return true;
    if (n == 0 || n >= sizeof(word) || !strchr("=+\"'{", *behind))
        return false;
    memcpy(word, line, n);
    word[n] = '\0';
    return cleaning->is_name(cleaning->data, word);
}

// Whether the quote that seems to close a text opens another one: lines of a configuration are
// before it, and behind it what is no end of a value.
static bool is_stray(const struct cleaning *cleaning, const char *opening, const char *end)
{
    const char *line = opening;

    if (end[1] == '\0' || strchr(" \t\r\n={}(),+#", end[1]))
        return false;
    while ((line = memchr(line, '\n', (size_t)(end - line))) != NULL) {
        line += 1 + strspn(line + 1, " \t");
        if (line < end && is_statement(cleaning, line))
            return true;
        line = line < end ? line : end;
    }
    return false;
}

static bool ends_line(const char *at)
{
    at += strspn(at, " \t\r");
    return *at == '\0' || *at == '\n' || *at == '#';
}

// Of the rest of the line only its first word stays, and the braces and commas that are likely to
// be meant as such: the library would go on looking for the other quote in the next file.
static void refuse_quote(struct cleaning *cleaning)
{
    struct cursor *cursor = &cleaning->cursor;

    refuse(cleaning, "the quote that opens here is not closed");
    problems_widen(cleaning->problems); // what it was meant to hold is not known
    *cursor->at++ = ' ';
    cursor->at += strcspn(cursor->at, " \t\r\n\"'={}(),#\\$");
    while (*cursor->at != '\0' && !strchr("\n#", *cursor->at))
        cursor_step(cursor, !strchr("},", *cursor->at) &&
                                (*cursor->at != '{' || !ends_line(cursor->at + 1)));
    while (cleaning->problems->n == PROBLEMS_MAX && *cursor->at != '\0')
        cursor_step(cursor, true);
}

void config_text_quoted(struct cleaning *cleaning)
{
    struct cursor *cursor = &cleaning->cursor;
    bool is_double = *cursor->at == '"', said = false;
    const char *end = find_end(cursor->at);

    if (!end || is_stray(cleaning, cursor->at, end)) {
        refuse_quote(cleaning);
        return;
    }
    cursor_step(cursor, false);
    while (cursor->at < end)
        if (is_double && *cursor->at == '\\')
            take_escape(cleaning, &said);
        else if (is_double && *cursor->at == '$')
            take_dollar(cleaning);
        else
            cursor_step(cursor, false);
    cursor_step(cursor, false);
}

// The backslashes that begin `from`, and what they escape. Returns where it goes on.
static const char *spell_backslashes(const char *from, char quote, char **to)
{
    size_t n = strspn(from, "\\");
    bool is_plain = quote == '\'' && from[n] != '\'';
    size_t taken = is_plain ? n : n + n % 2;

    for (size_t i = 0; i < taken; i++) {
        if (is_plain)
            *(*to)++ = '\\';
        *(*to)++ = from[i];
    }
    return from + taken;
}

char *config_text_spell(const char *text, const char *end)
{
    char *spelt = base_checked(malloc(2 * (size_t)(end - text) + 1)), *to = spelt, quote = '\0';

    while (text < end) {
        if (quote != '\0' && *text == '\\') {
            text = spell_backslashes(text, quote, &to);
            continue;
        }
        if (quote == '\0' && (*text == '"' || *text == '\''))
            quote = *text;
        else if (*text == quote)
            quote = '\0';
        if (*text != '\0')
            *to++ = *text;
        text++;
    }
    *to = '\0';
    return spelt;
}
