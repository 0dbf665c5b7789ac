// SPDX-License-Identifier: MIT
#include "access/rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

#define LINE_MAX_SHOWN 100 // of one that is no prefix

static const char blanks[] = " \t\r";

const char *rule_file(const struct rule_entry *entry)
{
    size_t n = strlen(RULES_FILE);

    return strncmp(entry->text, RULES_FILE, n) == 0 ? entry->text + n : NULL;
}

static void add_rules(struct rule_list *list, const struct prefix *prefixes, int n, size_t entry,
                      int line)
{
    if (list->n + (size_t)n > list->room) {
        list->room = 2 * (list->n + (size_t)n);
        list->rules = base_checked(reallocarray(list->rules, list->room, sizeof(list->rules[0])));
    }
    for (int i = 0; i < n; i++)
        list->rules[list->n++] = (struct rule){
            .prefix = prefixes[i], .entry = (uint32_t)entry, .line = line};
}

static char *complain(const char *text, const char *wrong)
{
    char *complaint;

    if (asprintf(&complaint, "\"%s\" %s", text, wrong) < 0)
        base_out_of_memory();
    return complaint;
}

char *rule_list_add(struct rule_list *list, const char *text, const struct place *place)
{
    struct rule_entry entry = {.text = (char *)(uintptr_t)text, .line = place->line};
    const char *path = rule_file(&entry);
    struct prefix prefixes[PREFIX_WORD_MAX];
    char wrong[PREFIX_WRONG_MAX];
    bool is_unix = strcmp(text, RULES_UNIX) == 0;
    int n = 0;

    if (!path && !is_unix)
        n = prefix_parse(text, prefixes, wrong);
    list->has_mistakes = list->has_mistakes || n < 0 || (path && *path != '/');
    if (n < 0 || (path && *path != '/'))
        return complain(text, path ? "is not an absolute path; write file:/PATH" : wrong);
    entry.text = base_checked(strdup(text));
    entry.file = base_checked(strdup(place->file));
    list->entries = base_checked(reallocarray(list->entries, list->n_entries + 1, sizeof(entry)));
    add_rules(list, prefixes, n, list->n_entries, 0);
    list->has_unix = list->has_unix || is_unix;
    list->entries[list->n_entries++] = entry;
    return NULL;
}

void rule_list_done(struct rule_list *list)
{
    for (size_t i = 0; i < list->n_entries; i++) {
        free(list->entries[i].text);
        free(list->entries[i].file);
    }
    free(list->entries);
    free(list->rules);
    *list = (struct rule_list){0};
}

// One line, which begins at text and has length bytes.
static void add_line(struct rule_list *list, size_t entry, const char *text, size_t length,
                     int line, struct problems *problems)
{
    const char *path = rule_file(&list->entries[entry]), *comment = memchr(text, '#', length);
    struct prefix prefixes[PREFIX_WORD_MAX];
    char word[LINE_MAX_SHOWN + 1], wrong[PREFIX_WRONG_MAX];
    int n;

    if (comment)
        length = (size_t)(comment - text);
    while (length > 0 && strchr(blanks, *text) && *text != '\0') {
        text++;
        length--;
    }
    while (length > 0 && strchr(blanks, text[length - 1]) && text[length - 1] != '\0')
        length--;
    if (length == 0)
        return;
    (void)snprintf(word, sizeof(word), "%.*s", (int)(length < sizeof(word) ? length : sizeof(word)),
                   text);
    if (memchr(text, '\0', length)) {
        problems_add(problems, path, line, "a NUL is no part of a prefix; the file is no text");
        return;
    }
    n = prefix_parse(word, prefixes, wrong);
    if (n < 0)
        problems_add(problems, path, line, "\"%s\" %s", word, wrong);
    else
        add_rules(list, prefixes, n, entry, line);
}

void rule_list_add_lines(struct rule_list *list, size_t entry, const char *bytes, size_t n,
                         struct problems *problems)
{
    int line = 1;

    while (n > 0 && list->n <= RULES_MAX && problems->n < PROBLEMS_MAX) {
        const char *end = memchr(bytes, '\n', n);
        size_t length = end ? (size_t)(end - bytes) : n;

        add_line(list, entry, bytes, length, line++, problems);
        bytes += length + (end != NULL);
        n -= length + (end != NULL);
    }
}

struct place rule_place(const struct rule_list *list, const struct rule *rule)
{
    const struct rule_entry *entry = &list->entries[rule->entry];

    if (rule->line > 0)
        return (struct place){.file = rule_file(entry), .line = rule->line};
    return (struct place){.file = entry->file, .line = entry->line};
}
