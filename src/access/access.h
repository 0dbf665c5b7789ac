// SPDX-License-Identifier: MIT
// Who may connect to a service. The longest prefix that a client's address is in decides; in what
// order and in which file rules are written means nothing. One function judges, for workers and for
// who asks what would happen. Pure: it asks nobody and changes nothing.
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

#include "access/ranges.h"
#include "access/rules.h"
#include "access/source_key.h"
#include "board/refusals.h"

// What a service says of it.
struct access {
    struct rule_list allow, deny;
    char *refusal_text;    // for who is refused; NULL: a reset
    struct ranges *ranges; // of all rules, allow's first; NULL: there are none, and none are asked
};

// Lays the lists flat. Rules that contradict each other, or stand twice, go to problems.
void access_settle(struct access *access, struct problems *problems);
// Frees what that has made; the lists are the form's.
void access_done(struct access *access);

struct access_question {
    const struct sockaddr *client;
};

struct access_verdict {
    enum refusal refusal;
    const struct rule_list *list; // that decided, or NULL
    const struct rule *rule;      // of it; NULL: no rule has the client in it
    struct source_key source;     // that has too much, where that is why
    unsigned limit;               // of its connections
    bool is_rehearsal;            // it is served all the same
};

struct access_verdict access_judge(const struct access *access,
                                   const struct access_question *question);

// A rule that the client is not in, but whose prefix is closer to it than that of the rule which
// has decided: who expected it to decide may have mistyped it. False: there is none.
bool access_nearest(const struct access *access, const struct access_question *question,
                    struct access_verdict *ret);

// "allow 2001:db8::/32", "not in allow"; the empty text where nothing had to decide. Returns text.
#define ACCESS_RULE_MAX (PREFIX_TEXT_MAX + 8)
const char *access_rule_text(const struct access *access, const struct access_verdict *verdict,
                             char *text, size_t size);
