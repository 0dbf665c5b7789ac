// SPDX-License-Identifier: MIT
// A list of prefixes as tcpd.conf has it, `allow` or `deny`: what is written, and the rules that it
// means, each with its place. Lines of files that it names come from whoever reads these. Pure;
// without memory the process ends.
#pragma once

#include <stdint.h>

#include "access/prefix.h"
#include "base/problems.h"

#define RULES_MAX      65536 // of a list
#define RULES_FILE     "file:"
#define RULES_UNIX     "unix"
#define RULES_FILE_MAX ((size_t)4 << 20) // bytes

// An entry of the list: one prefix, a word, or a file.
struct rule_entry {
    char *text;
    char *file; // where it is written
    int line;
};

struct rule {
    struct prefix prefix;
    uint32_t entry; // that it comes from
    int line;       // in the file that the entry names, 0: it names none
};

struct rule_list {
    struct rule_entry *entries;
    struct rule *rules;
    size_t n_entries, n, room;
    bool has_unix;     // an entry is "unix", which is no prefix
    bool has_mistakes; // an entry was not taken
};

// Adds what is written at place: a prefix, a word, a file, or "unix". NULL, or an owned text of
// what is wrong and what is allowed.
char *rule_list_add(struct rule_list *list, const char *text, const struct place *place);
void rule_list_done(struct rule_list *list);

// The path of the file that an entry names; NULL: it names none.
const char *rule_file(const struct rule_entry *entry);
// Adds the lines of that file: a prefix each, with blanks around and comments (#) behind it or not.
// What is wrong goes to problems.
void rule_list_add_lines(struct rule_list *list, size_t entry, const char *bytes, size_t n,
                         struct problems *problems);

// Where a rule is written; valid as long as the list.
struct place rule_place(const struct rule_list *list, const struct rule *rule);
