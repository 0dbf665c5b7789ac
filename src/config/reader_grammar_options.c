// SPDX-License-Identifier: MIT
// Options: their names, and what joins them to what they are given. A name that does not belong
// there is refused, and skipped with all that it is given.

#include <stdio.h>
#include <string.h>

#include "base/spelling.h"
#include "config/reader_grammar_private.h"
#include "config/reader_private.h"

// --- Names that do not belong there ---

// Steps over braces and all in them, as far as no section begins that is known.
static void skip_braces(struct grammar *grammar)
{
    unsigned depth = 0;

    do {
        depth += grammar->token.kind == '{';
        depth -= grammar->token.kind == '}';
        grammar_take(grammar);
    } while (depth > 0 && grammar->token.kind != TOKEN_END && !grammar_begins_section(grammar));
}

// The name was taken, and stands in that line.
static void skip_statement(struct grammar *grammar, int line)
{
    bool is_given = grammar_is_operator(&grammar->token);

    if (is_given)
        grammar_take(grammar);
    if (token_is_value(&grammar->token) && !grammar_begins_statement(grammar) &&
        (is_given || grammar->token.line == line))
        grammar_take(grammar);
    if (grammar->token.kind == '{')
        skip_braces(grammar);
    else
        grammar_skip_line(grammar, line);
}

static const char *hint_section(const struct grammar *grammar, const char *name, char *text,
                                size_t size)
{
    unsigned best = SPELLING_FAR;

    (void)snprintf(text, size, "tcpd.conf(5) lists all");
    for (size_t i = 0; i < grammar->language->n_sections; i++)
        if (spelling_is_closer(name, grammar->language->sections[i]->name, &best))
            (void)snprintf(text, size, "did you mean %s?", grammar->language->sections[i]->name);
    return text;
}

// Of a name that was taken, and does not belong there.
static void refuse_name(struct grammar *grammar, const struct token *token, const char *name)
{
    const struct reader_language *language = grammar->language;
    const struct section_kind *kind = grammar->kind, *home = reader_find_home(language, name);
    char hint[96];

    if (kind->name && reader_knows(language->file, name))
        grammar_refuse(grammar, token->line, "%s belongs before the %ss, not in one", name,
                       kind->name);
    else if (home)
        grammar_refuse(grammar, token->line, "%s belongs in a %s, not %s%s", name, home->name,
                       kind->name ? "in a " : "outside", kind->name ? kind->name : "");
    else if (grammar_opens_brace(&grammar->token))
        grammar_refuse(grammar, token->line, "there is no section %s; %s", name,
                       hint_section(grammar, name, hint, sizeof(hint)));
    else
        grammar_refuse(grammar, token->line, "there is no option %s; %s", name,
                       reader_hint(language, kind, name, hint, sizeof(hint)));
}

// --- Names that do ---

// NAME: and NAME:VALUE, as elsewhere, of a name that is known. True: the token is NAME alone now.
static bool cut_colon(struct grammar *grammar)
{
    struct token *token = &grammar->token, next = grammar_peek(grammar);
    const char *colon = memchr(token->at, ':', token->n);
    size_t n = token->kind == TOKEN_WORD && colon ? (size_t)(colon - token->at) : token->n;
    struct token before = {.kind = token->kind, .at = token->at, .n = n};
    char name[64];

    if (n == token->n && (next.kind != TOKEN_WORD || *next.at != ':'))
        return false;
    if (!grammar_knows(grammar, grammar_copy_name(&before, name, sizeof(name))))
        return false;
    grammar_refuse(grammar, token->line, "write %s = VALUE, with = instead of the colon", name);
    if (n == token->n) {
        token->behind = next.at + 1;
        token->line_behind = next.line;
    } else {
        token->n = n;
        token->behind = colon + 1;
    }
    return true;
}

// What stands between a name and its value. False: nothing does, and there is no value.
static bool take_operator(struct grammar *grammar, const struct given *given, bool has_colon)
{
    bool appends = grammar->token.kind == '+';
    bool has_value = (token_is_value(&grammar->token) || grammar->token.kind == '{') &&
                     grammar->token.line == grammar->last_line &&
                     !grammar_begins_statement(grammar);

    if (appends && !given->is_list)
        grammar_refuse(grammar, grammar->token.line,
                       "%s takes one value, to which += adds nothing: write =", given->name);
    else if (!grammar_is_operator(&grammar->token) && !has_colon && has_value)
        grammar_refuse(grammar, grammar->token.line, "a = is missing: write %s = %.*s", given->name,
                       grammar_shown(&grammar->token), grammar->token.at);
    else if (!grammar_is_operator(&grammar->token) && !has_colon)
        return false;
    write_text(&grammar->out, appends && given->is_list ? "+=" : "=");
    if (grammar_is_operator(&grammar->token))
        grammar_take(grammar);
    return true;
}

static const struct setting *find_setting(const struct section_kind *kind, const char *name)
{
    const struct setting *setting = form_find(kind->form, name);

    for (size_t i = 0; !setting && i < kind->n_variants; i++)
        setting = form_find(kind->variants[i].form, name);
    return setting;
}

void grammar_take_option(struct grammar *grammar)
{
    bool has_colon = cut_colon(grammar);
    struct written before = grammar->out;
    struct token name = grammar->token;
    enum given_outcome outcome = GIVEN_NOTHING;
    const struct setting *setting;
    struct given given;

    (void)grammar_copy_name(&name, given.name, sizeof(given.name));
    grammar_take(grammar);
    if (!reader_knows(grammar->kind, given.name)) {
        refuse_name(grammar, &name, given.name);
        skip_statement(grammar, name.line);
        return;
    }
    setting = find_setting(grammar->kind, given.name);
    given.is_list = setting && setting_is_list(setting);
    given.empty = setting ? setting->empty : NULL;
    write_token(&grammar->out, &name);
    if (take_operator(grammar, &given, has_colon))
        outcome = grammar_take_given(grammar, &given);
    if (outcome == GIVEN_NOTHING)
        grammar_refuse(grammar, name.line, "%s has no value; write %s = VALUE", given.name,
                       given.name);
    if (outcome != GIVEN)
        grammar_restore(grammar, &before);
}
