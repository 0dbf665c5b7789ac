// SPDX-License-Identifier: MIT
// What options are given: one value, or a list in braces.

#include <string.h>

#include "config/reader_grammar_private.h"

// --- Words ---

// False: the library would not take it as it is written.
static bool check_word(struct grammar *grammar, const struct token *word)
{
    bool has_variable = memmem(word->at, word->n, "${", 2) != NULL;

    if (word->kind != TOKEN_WORD ||
        (!has_variable && !memchr(word->at, '*', word->n) && !memchr(word->at, '+', word->n)))
        return true;
    grammar_refuse(grammar, word->line, "a value with %s in it needs %squotes: \"%.*s\"",
                   has_variable ? "${NAME}" : "* or +", has_variable ? "double " : "",
                   grammar_shown(word), word->at);
    return false;
}

// Takes a ; from the end of a word, and makes what stands behind it a word of its own where that is
// given something.
static bool cut_semicolon(struct grammar *grammar)
{
    struct token *word = &grammar->token, next = grammar_peek(grammar);
    const char *at = word->kind == TOKEN_WORD ? memchr(word->at, ';', word->n) : NULL;

    if (!at || at == word->at ||
        (at + strspn(at, ";") < word->behind && !grammar_is_operator(&next)))
        return false;
    grammar_refuse(grammar, word->line, "no ; belongs here, as nothing ends in one; delete it");
    word->n = (size_t)(at - word->at);
    word->behind = at + strspn(at, ";");
    return true;
}

// --- One value ---

// Whether what is next in the value's line is meant to belong to it.
static bool is_more(const struct grammar *grammar, int line, bool assigns)
{
    const struct token *token = &grammar->token;

    if (token->line != line || (token->kind == TOKEN_WORD && *token->at == ';'))
        return false;
    if (token->kind == ',' || (token->kind == '=' && assigns))
        return true;
    return token_is_value(token) && !grammar_begins_statement(grammar) &&
           (assigns || !grammar_may_begin_statement(grammar));
}

// Text that stands behind a value: more words of it, or more values.
static void refuse_more(struct grammar *grammar, const struct given *given,
                        const struct token *value)
{
    const struct token first = grammar->token;
    struct token whole = *value;
    bool assigns = value->kind == TOKEN_WORD && first.kind == '=', has_value = false;

    while (is_more(grammar, value->line_behind, assigns)) {
        (void)cut_semicolon(grammar);
        has_value = has_value || grammar->token.kind != ',';
        whole.n = (size_t)(grammar->token.at + grammar->token.n - value->at);
        grammar_take(grammar);
    }
    if (whole.n == value->n)
        return;
    if (!has_value)
        grammar_refuse(grammar, first.line,
                       "no comma belongs here, as only a list has them; delete it");
    else if (given->is_list && !assigns)
        grammar_refuse(grammar, first.line, "several values need braces: %s = {VALUE, VALUE}",
                       given->name);
    else if (value->kind == TOKEN_WORD)
        grammar_refuse(grammar, first.line, "a value of several words needs quotes: %s = \"%.*s\"",
                       given->name, grammar_shown(&whole), whole.at);
    else
        grammar_refuse(grammar, first.line, "%s takes one value; delete %.*s", given->name,
                       grammar_shown(&first), first.at);
}

static enum given_outcome take_value(struct grammar *grammar, const struct given *given)
{
    struct token value;
    bool is_good;

    (void)cut_semicolon(grammar);
    value = grammar->token;
    is_good = check_word(grammar, &value);
    write_value(&grammar->out, &value, "");
    grammar_take(grammar);
    refuse_more(grammar, given, &value);
    return is_good ? GIVEN : GIVEN_REFUSED;
}

// --- Lists ---

struct list {
    const struct given *given;
    int line; // where it opens
    bool in_brackets;
    unsigned depth;        // of braces in it
    unsigned n, n_written; // values
    bool is_apart;         // a comma has come behind the last one
};

// [ or [VALUE, but not an IPv6 address.
static bool is_bracket(const struct token *token)
{
    return token->kind == TOKEN_WORD && *token->at == '[' && !memchr(token->at, ']', token->n);
}

static void open_list(struct grammar *grammar, struct list *list)
{
    struct token *token = &grammar->token;

    *list = (struct list){
        .given = list->given, .line = token->line, .in_brackets = token->kind == TOKEN_WORD};
    if (!list->given->is_list)
        grammar_refuse(grammar, token->line, "%s takes one value, without %s", list->given->name,
                       list->in_brackets ? "brackets" : "braces");
    else if (list->in_brackets)
        grammar_refuse(grammar, token->line, "a list is written in braces: %s = {VALUE, VALUE}",
                       list->given->name);
    if (list->given->is_list)
        write_text(&grammar->out, "{");
    token->behind = token->at + 1;
    grammar_take(grammar);
}

// Makes a ] that ends a word a word of its own. Whether the token is one.
static bool cut_bracket(struct grammar *grammar, const struct list *list)
{
    struct token *word = &grammar->token;
    const char *at = word->kind == TOKEN_WORD ? memrchr(word->at, ']', word->n) : NULL;

    if (!at || at + 1 + strspn(at + 1, ";") < word->behind || (at > word->at && !list->in_brackets))
        return false;
    word->behind = at > word->at ? at : at + 1;
    word->n = at > word->at ? (size_t)(at - word->at) : 1;
    return at == word->at;
}

// What was a comma, or was meant to be one.
static void take_comma(struct grammar *grammar, struct list *list)
{
    struct token *token = &grammar->token;

    if (token->kind != ',')
        grammar_refuse(grammar, token->line, "the values of a list have commas between them, no ;");
    else if (list->is_apart || list->n == 0)
        grammar_refuse(grammar, token->line, "there is no value in front of this comma");
    list->is_apart = true;
    token->behind = token->at + (token->kind == ',' ? 1 : strspn(token->at, ";"));
    grammar_take(grammar);
}

// NAME=VALUE without quotes. The name was taken.
static void refuse_assignment(struct grammar *grammar, const struct token *name)
{
    const char *end = name->behind;

    while (grammar->token.kind == '=') {
        grammar_take(grammar);
        if (!token_is_value(&grammar->token) || grammar->token.line != name->line)
            break;
        end = grammar->token.behind;
        grammar_take(grammar);
    }
    grammar_refuse(grammar, name->line, "a value with = in it needs quotes: \"%.*s\"",
                   (int)(end - name->at), name->at);
}

static void cut_list_word(struct token *word)
{
    const char *end = word->kind == TOKEN_WORD ? memchr(word->at, ';', word->n) : NULL;

    if (!end || end + strspn(end, ";") < word->behind)
        return;
    word->n = (size_t)(end - word->at);
    word->behind = end;
}

static void take_listed(struct grammar *grammar, struct list *list)
{
    struct token value;

    if (list->n > 0 && !list->is_apart)
        grammar_refuse(grammar, grammar->token.line, "a comma is missing before %.*s",
                       grammar_shown(&grammar->token), grammar->token.at);
    cut_list_word(&grammar->token);
    value = grammar->token;
    list->n++;
    list->is_apart = false;
    grammar_take(grammar);
    if (grammar->token.kind == '=') {
        refuse_assignment(grammar, &value);
    } else if (check_word(grammar, &value) && (list->n_written == 0 || list->given->is_list)) {
        write_text(&grammar->out, list->n_written++ > 0 ? "," : "");
        write_value(&grammar->out, &value, "");
    }
}

// Whether the list must have ended before the next token.
static bool is_beyond(const struct grammar *grammar, const struct list *list)
{
    return grammar->token.kind == TOKEN_END || grammar_begins_statement(grammar) ||
           (list->n > 0 && !list->is_apart && grammar->token.line > grammar->last_line &&
            grammar_may_begin_statement(grammar));
}

static bool take_end(struct grammar *grammar, struct list *list)
{
    if (grammar->token.kind != '}' && !list->in_brackets)
        grammar_refuse(grammar, grammar->token.line, "a list ends in }, not in ]");
    grammar_take(grammar);
    return list->depth-- > 0;
}

// One step; false: the list has ended.
static bool take_in_list(struct grammar *grammar, struct list *list)
{
    const struct token *token = &grammar->token;
    bool ends = cut_bracket(grammar, list) || token->kind == '}';

    if (is_beyond(grammar, list)) {
        grammar_refuse(grammar, grammar->last_line,
                       "a } is missing: the list of %s, which begins at line %d, is not closed",
                       list->given->name, list->line);
        problems_widen(grammar->problems);
        return false;
    }
    if (ends)
        return take_end(grammar, list);
    if (token->kind == ',' || (token->kind == TOKEN_WORD && *token->at == ';')) {
        take_comma(grammar, list);
    } else if (token_is_value(token)) {
        take_listed(grammar, list);
    } else {
        grammar_refuse(grammar, token->line, "no %.*s belongs in a list; delete it", (int)token->n,
                       token->at);
        if (token->kind == '{')
            problems_widen(grammar->problems);
        list->depth += token->kind == '{';
        grammar_take(grammar);
    }
    return true;
}

static enum given_outcome take_list(struct grammar *grammar, const struct given *given)
{
    struct list list = {.given = given};

    open_list(grammar, &list);
    while (take_in_list(grammar, &list))
        ;
    if (given->is_list)
        write_text(&grammar->out, "}");
    if (given->empty && list.n == 0)
        grammar_refuse(grammar, list.line, "%s = {}: %s", given->name, given->empty);
    return given->is_list || list.n_written > 0 ? GIVEN : GIVEN_REFUSED;
}

enum given_outcome grammar_take_given(struct grammar *grammar, const struct given *given)
{
    while (grammar->token.kind == '=') {
        grammar_refuse(grammar, grammar->token.line, "one = is enough; delete the other");
        grammar_take(grammar);
    }
    if (grammar->token.kind == '{' || is_bracket(&grammar->token))
        return take_list(grammar, given);
    if (!token_is_value(&grammar->token) || grammar_begins_statement(grammar))
        return GIVEN_NOTHING;
    return take_value(grammar, given);
}
