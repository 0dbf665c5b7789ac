// SPDX-License-Identifier: MIT
#include "access/senders.h"

#include "base/base.h"

void senders_settle(struct senders *senders)
{
    const struct rule_list *list = &senders->trusted;
    cleanup_free struct prefix *prefixes = base_checked(calloc(list->n + 1, sizeof(*prefixes)));

    senders_done(senders);
    for (size_t i = 0; i < list->n; i++)
        prefixes[i] = list->rules[i].prefix;
    senders->ranges = ranges_new(prefixes, list->n); // twice the same means nothing else
}

void senders_done(struct senders *senders)
{
    senders->ranges = ranges_free(senders->ranges);
}

bool senders_have(const struct senders *senders, const struct sockaddr *peer)
{
    struct prefix address;

    if (peer->sa_family == AF_UNIX)
        return senders->trusted.has_unix;
    return senders->ranges && prefix_of_address(peer, &address) &&
           ranges_find(senders->ranges, &address) != RANGES_NONE;
}
