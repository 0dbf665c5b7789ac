// SPDX-License-Identifier: MIT
#include "access/access.h"

#include <stdio.h>
#include <string.h>

#include "base/base.h"

#define NEAR_BITS 8 // in common with a client that no rule has

// The rule of that index, and its list.
static const struct rule *rule_at(const struct access *access, size_t index,
                                  const struct rule_list **ret_list)
{
    bool is_allow = index < access->allow.n;

    *ret_list = is_allow ? &access->allow : &access->deny;
    return &(*ret_list)->rules[is_allow ? index : index - access->allow.n];
}

static const char *name_of(const struct access *access, const struct rule_list *list)
{
    return list == &access->allow ? "allow" : "deny";
}

// The same prefix again: in which list it counts, nobody could know, and twice is a mistake, too.
static void refuse_again(const struct access *access, size_t first, size_t again,
                         struct problems *problems)
{
    const struct rule_list *list, *other;
    const struct rule *earlier = rule_at(access, first, &other),
                      *rule = rule_at(access, again, &list);
    struct place there = rule_place(other, earlier), here = rule_place(list, rule);
    char place[4096], text[PREFIX_TEXT_MAX];

    if (list == other)
        problems_add(problems, here.file, here.line, "%s = \"%s\" stands twice; the first is %s%s",
                     name_of(access, list), prefix_format(&rule->prefix, text, sizeof(text)),
                     there.line > 0 ? "at " : "on the command line",
                     there.line > 0 ? problems_place(there.file, there.line, place, sizeof(place))
                                    : "");
    else
        problems_add(problems, here.file, here.line,
                     "%s = \"%s\" contradicts %s = \"%s\" %s%s; leave one of them out",
                     name_of(access, list), prefix_format(&rule->prefix, text, sizeof(text)),
                     name_of(access, other), text, there.line > 0 ? "at " : "beside it",
                     there.line > 0 ? problems_place(there.file, there.line, place, sizeof(place))
                                    : "");
}

void access_settle(struct access *access, struct problems *problems)
{
    size_t n = access->allow.n + access->deny.n;
    cleanup_free struct prefix *prefixes = base_checked(calloc(n + 1, sizeof(*prefixes)));
    cleanup_free size_t *order = NULL;
    const struct rule_list *list;

    access_done(access);
    for (size_t i = 0; i < n; i++)
        prefixes[i] = rule_at(access, i, &list)->prefix;
    order = prefixes_sort(prefixes, n);
    for (size_t i = 1; i < n; i++)
        if (prefix_is_same(&prefixes[order[i - 1]], &prefixes[order[i]]))
            refuse_again(access, order[i - 1], order[i], problems);
    if (access->allow.n_entries + access->deny.n_entries > 0)
        access->ranges = ranges_new(prefixes, n);
}

void access_done(struct access *access)
{
    access->ranges = ranges_free(access->ranges);
    senders_done(&access->senders);
}

// Whom rules are about.
static const struct sockaddr *client_of(const struct access_question *question)
{
    return question->client ? question->client : question->peer;
}

struct access_verdict access_judge(const struct access *access,
                                   const struct access_question *question)
{
    const struct senders *senders = &access->senders;
    struct access_verdict verdict = {.refusal = REFUSAL_NONE};
    bool has_header = question->client || question->speaks_for_itself;
    struct prefix client;
    size_t index;

    if (senders->protocol != PROXY_OFF && !has_header) {
        verdict.needs_header = senders_have(senders, question->peer);
        if (!verdict.needs_header && senders->protocol == PROXY_REQUIRED)
            verdict.refusal = REFUSAL_SENDER;
        if (verdict.needs_header || verdict.refusal != REFUSAL_NONE)
            return verdict;
    }
    if (question->speaks_for_itself)
        return verdict; // its own list was its rule
    if (!access->ranges || !prefix_of_address(client_of(question), &client))
        return verdict; // whoever may open a unix socket may connect to it
    index = ranges_find(access->ranges, &client);
    if (index != RANGES_NONE)
        verdict.rule = rule_at(access, index, &verdict.list);
    else if (access->allow.n_entries > 0)
        verdict.list = &access->allow;
    if (verdict.rule ? verdict.list == &access->deny : verdict.list != NULL)
        verdict.refusal = REFUSAL_RULE;
    return verdict;
}

bool access_nearest(const struct access *access, const struct access_question *question,
                    struct access_verdict *ret)
{
    struct access_verdict verdict = access_judge(access, question);
    int least = verdict.rule ? verdict.rule->prefix.length : NEAR_BITS;
    struct prefix client;
    size_t beside[2];

    *ret = (struct access_verdict){.refusal = REFUSAL_NONE};
    if (!access->ranges || !prefix_of_address(client_of(question), &client))
        return false;
    // What lies between two addresses has more in common with either than they have.
    ranges_beside(access->ranges, &client, beside);
    for (size_t i = 0; i < ELEMENTS(beside); i++) {
        const struct rule_list *list;
        const struct rule *rule = beside[i] != RANGES_NONE ? rule_at(access, beside[i], &list)
                                                           : NULL;

        if (!rule || prefix_contains(&rule->prefix, &client) ||
            prefix_common(&rule->prefix, &client) < least)
            continue;
        least = prefix_common(&rule->prefix, &client) + 1;
        ret->rule = rule;
        ret->list = list;
    }
    return ret->rule != NULL;
}

const char *access_rule_text(const struct access *access, const struct access_verdict *verdict,
                             char *text, size_t size)
{
    char prefix[PREFIX_TEXT_MAX];

    text[0] = '\0';
    if (verdict->refusal == REFUSAL_SENDER)
        (void)snprintf(text, size, "not in proxy_trusted");
    else if (verdict->needs_header)
        (void)snprintf(text, size, "in proxy_trusted: it has to send a header");
    else if (verdict->rule)
        (void)snprintf(text, size, "%s %s", name_of(access, verdict->list),
                       prefix_format(&verdict->rule->prefix, prefix, sizeof(prefix)));
    else if (verdict->list)
        (void)snprintf(text, size, "not in %s", name_of(access, verdict->list));
    return text;
}
