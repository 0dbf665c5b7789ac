// SPDX-License-Identifier: MIT
// Words end where libconfuse's do, but may hold a * or +, which it drops, and ${NAME}, which it
// does not replace there: who reads them can say so.

#include "config/reader_tokens.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

static size_t string_length(const char *at)
{
    size_t n = 1;

    while (at[n] != '\0' && at[n] != at[0])
        n += at[n] == '\\' && at[n + 1] != '\0' ? 2 : 1;
    return at[n] != '\0' ? n + 1 : n;
}

// Of a ${...} in one line, which is a whole word; 0: there is none.
static size_t variable_length(const char *at)
{
    size_t n = strncmp(at, "${", 2) == 0 ? strcspn(at, "}\"'\n") : 0;

    return n > 0 && at[n] == '}' ? n + 1 : 0;
}

// Of a ${NAME} within one.
static size_t part_length(const char *at)
{
    size_t n = 2;

    if (strncmp(at, "${", 2) != 0)
        return 1;
    while (isalnum((unsigned char)at[n]) || (at[n] != '\0' && strchr("_:-", at[n])))
        n++;
    return at[n] == '}' ? n + 1 : 1;
}

static size_t word_length(const char *at)
{
    size_t n = 0;

    while (at[n] != '\0' && !strchr(" \t\r\n\"'={}(),", at[n]) && strncmp(at + n, "+=", 2) != 0)
        n += part_length(at + n);
    return n;
}

static void measure(struct token *token)
{
    size_t variable = variable_length(token->at);

    if (*token->at == '"' || *token->at == '\'') {
        token->kind = TOKEN_STRING;
        token->n = string_length(token->at);
    } else if (*token->at == '\0') {
        token->kind = TOKEN_END;
    } else if (strncmp(token->at, "+=", 2) == 0) {
        token->kind = '+';
        token->n = 2;
    } else if (strchr("={}(),", *token->at)) {
        token->kind = (unsigned char)*token->at;
        token->n = 1;
    } else {
        token->n = variable > 0 ? variable : word_length(token->at);
        token->kind = variable > 0 ? TOKEN_VARIABLE : TOKEN_WORD;
    }
}

static int count_newlines(const char *at, size_t n)
{
    const char *end = at + n;
    int lines = 0;

    while ((at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        at++;
        lines++;
    }
    return lines;
}

struct token token_read(const char *at, int line)
{
    size_t space = strspn(at, " \t\r\n");
    struct token token = {.at = at + space, .line = line + count_newlines(at, space)};

    measure(&token);
    token.behind = token.at + token.n;
    token.line_behind = token.line + count_newlines(token.at, token.n);
    return token;
}

bool token_is(const struct token *token, const char *word)
{
    size_t quote = token->kind == TOKEN_STRING;

    return token->n == strlen(word) + 2 * quote &&
           memcmp(token->at + quote, word, token->n - 2 * quote) == 0;
}

bool token_is_value(const struct token *token)
{
    return token->kind == TOKEN_WORD || token->kind == TOKEN_STRING ||
           token->kind == TOKEN_VARIABLE;
}

static void add(struct written *written, const char *bytes, size_t n)
{
    while (written->n + n + 1 > written->room) {
        written->room = 2 * written->room + 256;
        written->bytes = base_checked(realloc(written->bytes, written->room));
    }
    memcpy(written->bytes + written->n, bytes, n);
    written->n += n;
    written->bytes[written->n] = '\0';
}

void write_line(struct written *written, int line)
{
    add(written, " ", 1);
    for (; written->line < line; written->line++)
        add(written, "\n", 1);
}

void write_text(struct written *written, const char *text)
{
    add(written, " ", 1);
    add(written, text, strlen(text));
}

void write_token(struct written *written, const struct token *token)
{
    write_line(written, token->line);
    add(written, token->at, token->n);
    written->line = token->line_behind;
}

// Where a backslash is itself.
static void add_word(struct written *written, const struct token *token)
{
    for (size_t i = 0; i < token->n; i++)
        add(written, token->at[i] == '\\' ? "\\\\" : &token->at[i], token->at[i] == '\\' ? 2 : 1);
}

void write_value(struct written *written, const struct token *token, const char *prefix)
{
    bool is_string = token->kind == TOKEN_STRING;
    const char *quote = is_string ? token->at : token->kind == TOKEN_VARIABLE ? "\"" : "'";

    write_line(written, token->line);
    add(written, quote, 1);
    add(written, prefix, strlen(prefix));
    if (is_string)
        add(written, token->at + 1, token->n - 2);
    else if (token->kind == TOKEN_VARIABLE)
        add(written, token->at, token->n);
    else
        add_word(written, token);
    add(written, quote, 1);
    written->line = token->line_behind;
}
