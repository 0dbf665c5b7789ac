// SPDX-License-Identifier: MIT
// Texts that grow, and lists of words. Without memory the process ends.
#pragma once

#include <stdarg.h>
#include <stddef.h>

// A NUL is behind its n bytes; bytes is NULL while there are none.
struct text {
    char *bytes;
    size_t n, size;
};

__attribute__((format(printf, 2, 3))) void text_add(struct text *text, const char *format, ...);
void text_add_bytes(struct text *text, const void *bytes, size_t n);

// Adds a word in single quotes, as tcpd.conf(5) has it: every byte stands for itself.
void text_add_quoted(struct text *text, const char *word);

// Adds bytes in double quotes, with escapes for what is no printing ASCII.
void text_add_escaped(struct text *text, const char *bytes, size_t n);

// Adds it with a prefix before each of its lines.
void text_add_lines(struct text *text, const char *network, const char *lines, size_t n);

void text_done(struct text *text);

// An owned text, made as by printf.
__attribute__((format(printf, 1, 2))) char *text_make(const char *format, ...);
__attribute__((format(printf, 1, 0))) char *text_make_v(const char *format, va_list arguments);

struct words {
    char **items; // owned
    size_t n;
};

void words_add(struct words *words, const char *word, size_t length);
// Adds the words of a line, between which there are only these characters.
void words_split(struct words *words, const char *line, size_t length, const char *between);
void words_copy(struct words *words, const struct words *from);
// The index of a word, or n.
size_t words_find(const struct words *words, const char *word);
void words_remove(struct words *words, size_t i);
void words_done(struct words *words);
