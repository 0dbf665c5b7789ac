// SPDX-License-Identifier: MIT
// What the grammar's files share: reader_grammar.c (statements and sections),
// reader_grammar_options.c (names of options) and reader_grammar_values.c (what they are given).
#pragma once

#include "config/reader_grammar.h"
#include "config/reader_tokens.h"

struct grammar {
    const struct reader_language *language;
    const char *path;
    struct problems *problems;
    struct token token; // the next one
    int last_line;      // where the one before it ends
    struct written out;
    const struct section_kind *kind; // of the section that is open, or of the file
    struct token title;              // of that section; TOKEN_END: it has none
    struct written before_section;   // what was written before it
    int open_line;                   // where it begins
    bool is_over;                    // more is wrong than can be told
    unsigned n_odd[2];               // braces that open nothing: outside, in the section
};

// An option that is being given something.
struct given {
    char name[64];
    bool is_list;
    const char *empty; // what is wrong with an empty list, NULL: nothing
};

__attribute__((format(printf, 3, 4))) void grammar_refuse(struct grammar *grammar, int line,
                                                          const char *format, ...);
// --- Tokens ---
// Goes on to the next one.
void grammar_take(struct grammar *grammar);
// The one behind that.
struct token grammar_peek(const struct grammar *grammar);
// Steps over the rest of a line, as far as nothing begins or ends there.
void grammar_skip_line(struct grammar *grammar, int line);
// Takes a ; from the token's beginning, which ends a statement in other languages. False: there is
// none.
bool grammar_drop_semicolons(struct grammar *grammar);

bool grammar_is_operator(const struct token *token);
// Whether braces open there, maybe behind a title.
bool grammar_opens_brace(const struct token *token);
// Whether a statement begins there, for certain: a known name and what belongs behind it.
bool grammar_begins_statement(const struct grammar *grammar);
// Whether one may: any name, known or not, and an operator.
bool grammar_may_begin_statement(const struct grammar *grammar);
bool grammar_begins_section(const struct grammar *grammar);
// Whether it is an option of the file or of any section.
bool grammar_knows(const struct grammar *grammar, const char *name);
// A token without its quotes, which is cut where it is too long for a name that is known.
const char *grammar_copy_name(const struct token *token, char *text, size_t size);
// How a token is shown in a message: its first line, and not all of a long one; for "%.*s".
int grammar_shown(const struct token *token);

// Makes what was written since then unwritten.
void grammar_restore(struct grammar *grammar, const struct written *before);

// --- Statements ---
void grammar_take_option(struct grammar *grammar);
// Takes what stands behind the operator.
enum given_outcome { GIVEN, GIVEN_NOTHING, GIVEN_REFUSED };
enum given_outcome grammar_take_given(struct grammar *grammar, const struct given *given);
