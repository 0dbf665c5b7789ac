// SPDX-License-Identifier: MIT
// Penalties: each offence makes the time longer that a source has to wait, and small ones add up
// before they bite.

#include "access/source_words.h"

bool source_ban(_Atomic uint64_t *ban, uint64_t cost_nsec, const struct source_limits *limits,
                uint64_t now_nsec)
{
    uint64_t was = source_load(ban), from = now_nsec + limits->penalty_min_nsec,
             most = now_nsec + limits->penalty_max_nsec;

    for (int i = 0; i < SOURCE_TRIES; i++) {
        uint64_t begin = source_time(was, now_nsec, limits->penalty_max_nsec);
        uint64_t next = begin + cost_nsec < most ? begin + cost_nsec : most;

        if (next < begin)
            next = begin; // another has read the clock later
        if (source_swap(ban, &was, next))
            return begin <= from && next > from;
    }
    return false;
}

bool source_offend(struct source_table *table, const struct source_hold *hold, uint64_t cost_nsec,
                   const struct source_limits *limits, uint64_t now_nsec)
{
    const uint32_t way = hold->entry % SOURCE_WAYS;
    struct source_set *set = source_set_of(table, hold->entry);

    if (!hold->is_held || source_tag(source_load(&set->count[way])) != hold->tag)
        return false;
    return source_ban(&set->ban[way], cost_nsec, limits, now_nsec);
}

bool source_charge(struct source_table *table, const struct source_key *key, uint64_t cost_nsec,
                   const struct source_limits *limits, uint64_t now_nsec)
{
    struct source_place place = source_place(table, key);

    for (int way = 0; way < SOURCE_WAYS; way++)
        if (source_tag(source_load(&place.set->count[way])) == place.tag)
            return source_ban(&place.set->ban[way], cost_nsec, limits, now_nsec);
    return false;
}
