// SPDX-License-Identifier: MIT
// Statement by statement. Each mistake is told once: what follows is read as if it had been written
// as it was meant. What begins a statement or a section for certain ends whatever lacks its end.

#include "config/reader_grammar.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "config/reader_grammar_private.h"
#include "config/reader_private.h"

void grammar_refuse(struct grammar *grammar, int line, const char *format, ...)
{
    cleanup_free char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        base_out_of_memory();
    va_end(arguments);
    problems_add(grammar->problems, grammar->path, line, "%s", text);
    grammar->is_over = grammar->problems->n == PROBLEMS_MAX;
}

void grammar_take(struct grammar *grammar)
{
    grammar->last_line = grammar->token.line_behind;
    grammar->token = token_read(grammar->is_over ? "" : grammar->token.behind,
                                grammar->token.line_behind);
}

struct token grammar_peek(const struct grammar *grammar)
{
    return token_read(grammar->token.behind, grammar->token.line_behind);
}

int grammar_shown(const struct token *token)
{
    size_t n = strcspn(token->at, "\n");

    return (int)(n < token->n ? n : token->n < 80 ? token->n : 80);
}

bool grammar_is_operator(const struct token *token)
{
    return token->kind == '=' || token->kind == '+';
}

const char *grammar_copy_name(const struct token *token, char *text, size_t size)
{
    int quote = token->kind == TOKEN_STRING;

    (void)snprintf(text, size, "%.*s", (int)token->n - 2 * quote, token->at + quote);
    return text;
}

bool grammar_knows(const struct grammar *grammar, const char *name)
{
    return reader_knows(grammar->language->file, name) ||
           reader_find_home(grammar->language, name) != NULL;
}

// The kind of section of that name, NULL: there is none.
static const struct section_kind *find_kind(const struct grammar *grammar, const struct token *name)
{
    for (size_t i = 0; i < grammar->language->n_sections; i++)
        if (token_is(name, grammar->language->sections[i]->name))
            return grammar->language->sections[i];
    return NULL;
}

bool grammar_opens_brace(const struct token *token)
{
    struct token next = token_read(token->behind, token->line_behind);

    return token->kind == '{' || (token_is_value(token) && next.kind == '{');
}

static bool is_edge(const struct token *token)
{
    return token->kind == TOKEN_END || token->kind == '{' || token->kind == '}';
}

bool grammar_begins_section(const struct grammar *grammar)
{
    struct token next = grammar_peek(grammar);

    return find_kind(grammar, &grammar->token) && grammar_opens_brace(&next);
}

bool grammar_begins_statement(const struct grammar *grammar)
{
    struct token next = grammar_peek(grammar);
    char name[64];

    if (!token_is_value(&grammar->token))
        return false;
    return grammar_begins_section(grammar) ||
           (token_is(&grammar->token, "include") && next.kind == '(') ||
           (grammar_is_operator(&next) &&
            grammar_knows(grammar, grammar_copy_name(&grammar->token, name, sizeof(name))));
}

bool grammar_may_begin_statement(const struct grammar *grammar)
{
    struct token next = grammar_peek(grammar);

    return grammar_begins_statement(grammar) ||
           (token_is_value(&grammar->token) && grammar_is_operator(&next));
}

bool grammar_drop_semicolons(struct grammar *grammar)
{
    struct token *token = &grammar->token;

    if (token->kind != TOKEN_WORD || *token->at != ';')
        return false;
    grammar_refuse(grammar, token->line, "no ; belongs here, as nothing ends in one; delete it");
    token->behind = token->at + strspn(token->at, ";");
    grammar_take(grammar);
    return true;
}

void grammar_skip_line(struct grammar *grammar, int line)
{
    while (grammar->token.line == line && !is_edge(&grammar->token) &&
           !grammar_may_begin_statement(grammar))
        grammar_take(grammar);
}

void grammar_restore(struct grammar *grammar, const struct written *before)
{
    grammar->out.n = before->n;
    grammar->out.line = before->line;
}

// --- Sections ---

// Where sections begin and end is not certain.
static void refuse_open(struct grammar *grammar, int line, const char *where)
{
    bool has_quotes = grammar->title.kind == TOKEN_STRING;

    grammar_refuse(grammar, line,
                   "a } is missing %s: %s %s%.*s%s, which begins at line %d, is not "
                   "closed",
                   where, grammar->kind->name, has_quotes ? "" : "\"",
                   grammar_shown(&grammar->title), grammar->title.at, has_quotes ? "" : "\"",
                   grammar->open_line);
    problems_widen(grammar->problems);
}

// One without a title was only looked at.
static void close_section(struct grammar *grammar)
{
    write_text(&grammar->out, "}");
    if (grammar->title.kind == TOKEN_END)
        grammar_restore(grammar, &grammar->before_section);
    grammar->kind = grammar->language->file;
    grammar->n_odd[1] = 0;
}

// The section's title; without one the token is that of the end.
static struct token take_title(struct grammar *grammar, const struct section_kind *kind, int line)
{
    struct token title = grammar->token;

    if (title.kind == '=') {
        grammar_refuse(grammar, line, "write %s \"NAME\" {, without =", kind->name);
        grammar_take(grammar);
        title = grammar->token;
    }
    if (!token_is_value(&title)) {
        grammar_refuse(grammar, line, "a %s needs a name: write %s \"NAME\" {", kind->name,
                       kind->name);
        return (struct token){.kind = TOKEN_END, .at = "", .line = line, .line_behind = line};
    }
    grammar_take(grammar);
    if (token_is_value(&grammar->token) && grammar->token.line == line)
        grammar_refuse(grammar, line, "a %s has one name; delete %.*s", kind->name,
                       grammar_shown(&grammar->token), grammar->token.at);
    while (token_is_value(&grammar->token) && grammar->token.line == line)
        grammar_take(grammar);
    return title;
}

static void take_section(struct grammar *grammar, const struct section_kind *kind)
{
    struct token word = grammar->token;
    char prefix[32];

    if (grammar->kind->name) {
        refuse_open(grammar, word.line, "before this");
        close_section(grammar);
    }
    grammar->before_section = grammar->out;
    grammar_take(grammar);
    grammar->title = take_title(grammar, kind, word.line);
    if (grammar->token.kind == '{') {
        grammar_take(grammar);
    } else {
        grammar_refuse(grammar, grammar->last_line, "a { is missing: write %s \"NAME\" {",
                       kind->name);
        problems_widen(grammar->problems);
    }
    (void)snprintf(prefix, sizeof(prefix), "%d:", word.line);
    write_token(&grammar->out, &word);
    write_value(&grammar->out, &grammar->title, prefix);
    write_text(&grammar->out, "{");
    grammar->kind = kind;
    grammar->open_line = word.line;
}

static void take_closing_brace(struct grammar *grammar)
{
    bool is_inside = grammar->kind->name != NULL;

    if (grammar->n_odd[is_inside] > 0) {
        grammar->n_odd[is_inside]--;
    } else if (is_inside) {
        write_line(&grammar->out, grammar->token.line);
        close_section(grammar);
    } else {
        grammar_refuse(grammar, grammar->token.line,
                       "this } closes nothing; delete it, or one before it");
        problems_widen(grammar->problems);
    }
    grammar_take(grammar);
}

// --- include("FILE") ---

static void take_include(struct grammar *grammar)
{
    struct token word = grammar->token, parenthesis, file, end;

    grammar_take(grammar);
    parenthesis = grammar->token;
    file = grammar_peek(grammar);
    end = token_read(file.behind, file.line_behind);
    if (!grammar->kind->name && parenthesis.kind == '(' && token_is_value(&file) &&
        end.kind == ')') {
        write_token(&grammar->out, &word);
        write_token(&grammar->out, &parenthesis);
        write_value(&grammar->out, &file, "");
        write_token(&grammar->out, &end);
        grammar->token = end;
        grammar_take(grammar);
        return;
    }
    if (grammar->kind->name)
        grammar_refuse(grammar, word.line, "include(\"FILE\") belongs outside of a %s",
                       grammar->kind->name);
    else
        grammar_refuse(grammar, word.line, "write include(\"FILE\"), once for each file");
    grammar_skip_line(grammar, word.line);
}

// --- Files ---

// What no statement can begin with.
static void refuse_sign(struct grammar *grammar)
{
    const struct token token = grammar->token;

    if (token.kind == ',')
        grammar_refuse(grammar, token.line,
                       "no comma belongs here, as only a list has them; delete it");
    else if (token.kind == '(' || token.kind == ')')
        grammar_refuse(grammar, token.line, "no %c belongs here; delete it", token.kind);
    else
        grammar_refuse(grammar, token.line, "there is no name in front of this %.*s", (int)token.n,
                       token.at);
    if (token.kind == '{')
        problems_widen(grammar->problems);
    grammar->n_odd[grammar->kind->name != NULL] += token.kind == '{';
    grammar_take(grammar);
    if (grammar_is_operator(&token))
        grammar_skip_line(grammar, token.line);
}

static void take_statement(struct grammar *grammar)
{
    const struct section_kind *kind = find_kind(grammar, &grammar->token);

    if (grammar->token.kind == '}')
        take_closing_brace(grammar);
    else if (!token_is_value(&grammar->token))
        refuse_sign(grammar);
    else if (kind)
        take_section(grammar, kind);
    else if (token_is(&grammar->token, "include"))
        take_include(grammar);
    else
        grammar_take_option(grammar);
}

char *reader_grammar(const struct reader_language *language, const char *text, const char *path,
                     struct problems *problems)
{
    struct grammar grammar = {.language = language,
                              .path = path,
                              .problems = problems,
                              .token = token_read(text, 1),
                              .last_line = 1,
                              .out = {.line = 1},
                              .kind = language->file,
                              .title = {.at = ""}};

    while (grammar.token.kind != TOKEN_END)
        if (!grammar_drop_semicolons(&grammar))
            take_statement(&grammar);
    if (grammar.kind->name) {
        refuse_open(&grammar, grammar.last_line, "at the end");
        close_section(&grammar);
    }
    write_text(&grammar.out, "\n");
    return grammar.out.bytes;
}
