// SPDX-License-Identifier: MIT
// Never `ready`, `drain` or `maint`: in HAProxy these change what an operator has set there, and
// `ready` at each check would undo it. `up` and `stopped` are the agent's own view; weight 0
// drains. `weight:` is for HAProxy 3.1 and later, so it is not used either.

#include "handlers/agent_answer.h"

#include <stdio.h>
#include <string.h>

#include "base/base.h"

static bool is_old(const struct node_news *news, uint32_t second)
{
    return (int32_t)(second - news->second) > NODE_OLD_SEC;
}

// Why the service fails, NULL: it does not.
static const char *fault_of(const struct node_news *news, uint32_t second)
{
    if (news->state == NODE_ABSENT)
        return "not served here";
    if (is_old(news, second))
        return "the master does not answer";
    return news->state == NODE_FAILING ? "its workers die at once" : NULL;
}

// What people have said counts more than what was found, and that more than a drain.
static unsigned badness(const struct node_news *news, uint32_t second)
{
    if (news->state == NODE_MAINTENANCE)
        return 3;
    if (fault_of(news, second))
        return 2;
    return news->state == NODE_DRAINING;
}

static size_t say(char *ret, int n)
{
    if (n >= AGENT_ANSWER_MAX) // no reason is that long
        ret[AGENT_ANSWER_MAX - 2] = '\n';
    return strlen(ret);
}

static size_t say_up(const struct agent_fact *facts, size_t n, const struct agent_terms *terms,
                     char *ret)
{
    unsigned weight = 100, connections = UINT16_MAX;

    for (size_t i = 0; i < n; i++) {
        unsigned its = terms->n_balancers > 0 ? facts[i].news.max / terms->n_balancers : 0;

        if (terms->weight == AGENT_LOAD && facts[i].news.weight < weight)
            weight = facts[i].news.weight;
        if (its < connections)
            connections = its;
    }
    if (terms->n_balancers == 0)
        return say(ret, snprintf(ret, AGENT_ANSWER_MAX, "up %u%%\n", weight));
    return say(ret, snprintf(ret, AGENT_ANSWER_MAX, "up %u%% maxconn:%u\n", weight,
                             connections > 0 ? connections : 1));
}

size_t agent_answer(const struct agent_fact *facts, size_t n, const struct agent_terms *terms,
                    char ret[AGENT_ANSWER_MAX])
{
    const struct agent_fact *worst = &facts[0];

    for (size_t i = 1; i < n; i++)
        if (badness(&facts[i].news, terms->second) > badness(&worst->news, terms->second))
            worst = &facts[i];
    switch (badness(&worst->news, terms->second)) {
    case 3:
        return say(ret, snprintf(ret, AGENT_ANSWER_MAX, "stopped 0%% #maintenance %.*s\n",
                                 AGENT_ANSWER_MAX - 26, worst->news.why));
    case 2:
        return say(ret, snprintf(ret, AGENT_ANSWER_MAX, "fail 0%% #%s: %s\n", worst->service,
                                 fault_of(&worst->news, terms->second)));
    case 1:
        return say(ret, snprintf(ret, AGENT_ANSWER_MAX, "up 0%%\n"));
    default:
        return say_up(facts, n, terms, ret);
    }
}

size_t agent_line_find(const uint8_t *line, size_t size, const struct agent_fact *facts, size_t n)
{
    const uint8_t *end = memchr(line, '\n', size);
    size_t length = end ? (size_t)(end - line) : size, i = 0;

    if (length > 0 && line[length - 1] == '\r')
        length--;
    while (i < n &&
           (strlen(facts[i].service) != length || memcmp(facts[i].service, line, length) != 0))
        i++;
    return i;
}
