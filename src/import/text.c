// SPDX-License-Identifier: MIT
#include "import/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

static void make_room(struct text *text, size_t n)
{
    size_t needed = text->n + n + 1;

    if (needed <= text->size)
        return;
    text->size = needed > 2 * text->size ? needed : 2 * text->size;
    text->bytes = base_checked(realloc(text->bytes, text->size));
}

void text_add_bytes(struct text *text, const void *bytes, size_t n)
{
    make_room(text, n);
    if (n > 0)
        memcpy(text->bytes + text->n, bytes, n);
    text->n += n;
    text->bytes[text->n] = '\0';
}

char *text_make_v(const char *format, va_list arguments)
{
    char *made = NULL;

    if (vasprintf(&made, format, arguments) < 0)
        base_out_of_memory();
    return made;
}

char *text_make(const char *format, ...)
{
    va_list arguments;
    char *made;

    va_start(arguments, format);
    made = text_make_v(format, arguments);
    va_end(arguments);
    return made;
}

void text_add(struct text *text, const char *format, ...)
{
    cleanup_free char *made = NULL;
    va_list arguments;

    va_start(arguments, format);
    made = text_make_v(format, arguments);
    va_end(arguments);
    text_add_bytes(text, made, strlen(made));
}

void text_add_quoted(struct text *text, const char *word)
{
    text_add_bytes(text, "'", 1);
    for (size_t slashes; *word != '\0'; word += slashes + (word[slashes] != '\0')) {
        slashes = strspn(word, "\\");
        text_add_bytes(text, word, slashes);
        if (word[slashes] == '\'' || word[slashes] == '\0')
            text_add_bytes(text, word, slashes); // right before a quote they are doubled
        if (word[slashes] == '\'')
            text_add_bytes(text, "\\", 1);
        text_add_bytes(text, word + slashes, word[slashes] != '\0');
    }
    text_add_bytes(text, "'", 1);
}

void text_add_escaped(struct text *text, const char *bytes, size_t n)
{
    text_add_bytes(text, "\"", 1);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)bytes[i];

        if (c == '\n' || c == '\r')
            text_add(text, c == '\n' ? "\\n" : "\\r");
        else if (c == '"' || c == '\\' || c == '$' || c < ' ' || c > '~')
            text_add(text, "\\x%02x", c);
        else
            text_add_bytes(text, &bytes[i], 1);
    }
    text_add_bytes(text, "\"", 1);
}

void text_add_lines(struct text *text, const char *prefix, const char *lines, size_t n)
{
    while (n > 0) {
        const char *end = memchr(lines, '\n', n);
        size_t length = end ? (size_t)(end - lines) : n;

        text_add(text, "%s", prefix);
        text_add_bytes(text, lines, length);
        text_add_bytes(text, "\n", 1);
        length += end != NULL;
        lines += length;
        n -= length;
    }
}

void text_done(struct text *text)
{
    free(text->bytes);
    *text = (struct text){0};
}

void words_add(struct words *words, const char *word, size_t length)
{
    words->items = base_checked(reallocarray(words->items, words->n + 1, sizeof(char *)));
    words->items[words->n++] = base_checked(strndup(word, length));
}

void words_split(struct words *words, const char *line, size_t length, const char *between)
{
    const char *end = line + length;

    while (line < end) {
        const char *begin = line;

        while (line < end && !strchr(between, *line))
            line++;
        if (line > begin)
            words_add(words, begin, (size_t)(line - begin));
        line += line < end;
    }
}

void words_copy(struct words *words, const struct words *from)
{
    for (size_t i = 0; i < from->n; i++)
        words_add(words, from->items[i], strlen(from->items[i]));
}

size_t words_find(const struct words *words, const char *word)
{
    size_t i = 0;

    while (i < words->n && strcmp(words->items[i], word) != 0)
        i++;
    return i;
}

void words_remove(struct words *words, size_t i)
{
    free(words->items[i]);
    for (words->n--; i < words->n; i++)
        words->items[i] = words->items[i + 1];
}

void words_done(struct words *words)
{
    for (size_t i = 0; i < words->n; i++)
        free(words->items[i]);
    free(words->items);
    *words = (struct words){0};
}
