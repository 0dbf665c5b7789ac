// SPDX-License-Identifier: MIT
// What the master shows of a source table, and what it forgives on request.

#include <string.h>

#include "access/source_audit.h"
#include "access/source_words.h"

// The key, if the prefix gives the tag: of the kinds that this half of the table has.
static void find_key(const struct source_table *table, uint32_t entry, uint64_t word,
                     const struct source_lengths *lengths, struct source_entry *ret)
{
    static const enum source_kind kinds[2][2] = {{SOURCE_IPV4, SOURCE_USER},
                                                 {SOURCE_IPV6, SOURCE_LINK}};
    const struct source_set *set = source_set_of(table, entry);
    bool is_wide = entry / SOURCE_WAYS >= table->n_sets / 2;
    uint8_t prefix[16];

    for (size_t i = 0; i < 2; i++) {
        uint64_t half = source_load(&set->prefix[entry % SOURCE_WAYS][i]);

        memcpy(prefix + i * sizeof(half), &half, sizeof(half));
    }
    for (size_t i = 0; i < 2 && !ret->is_known; i++) {
        struct source_place place;

        ret->key = source_key_from(prefix, kinds[is_wide][i], lengths);
        place = source_place(table, &ret->key);
        ret->is_known = place.set == set && place.tag == source_tag(word);
    }
}

static struct source_entry read_numbers(const struct source_table *table, uint32_t entry)
{
    const struct source_set *set = source_set_of(table, entry);
    uint32_t way = entry % SOURCE_WAYS;

    return (struct source_entry){
        .connections = source_count(source_load(&set->count[way])),
        .paid_nsec = source_load(&set->paid[way]),
        .ban_nsec = source_load(&set->ban[way]),
    };
}

static struct source_entry read_entry(const struct source_table *table, uint32_t entry,
                                      const struct source_lengths *lengths)
{
    struct source_entry read = read_numbers(table, entry);
    uint64_t word = source_load(&source_set_of(table, entry)->count[entry % SOURCE_WAYS]);

    if (source_tag(word) != 0)
        find_key(table, entry, word, lengths, &read);
    return read;
}

struct source_entry source_held_by(const struct source_table *table, uint64_t held,
                                   const struct source_lengths *lengths)
{
    if (source_held_state(held) != SOURCE_HELD)
        return (struct source_entry){0};
    return read_entry(table, source_held_entry(table, held), lengths);
}

// Which of two comes first.
static bool is_before(const struct source_entry *a, const struct source_entry *b)
{
    return a->connections != b->connections ? a->connections > b->connections
                                            : a->ban_nsec > b->ban_nsec;
}

size_t source_list(const struct source_table *table, const struct source_lengths *lengths,
                   const struct source_limits *limits, uint64_t now_nsec, struct source_entry ret[],
                   size_t n, size_t *ret_used)
{
    uint32_t n_entries = source_n_entries(table);
    size_t n_found = 0;

    *ret_used = 0;
    for (uint32_t i = 0; i < n_entries; i++) {
        struct source_entry entry = read_numbers(table, i);
        size_t at = n_found;

        entry.ban_nsec = source_time(entry.ban_nsec, now_nsec, limits->penalty_max_nsec);
        if (entry.connections == 0 && entry.ban_nsec <= now_nsec)
            continue;
        ++*ret_used;
        for (; at > 0 && is_before(&entry, &ret[at - 1]); at--)
            if (at < n)
                ret[at] = ret[at - 1];
        if (at < n) {
            ret[at] = read_entry(table, i, lengths);
            ret[at].ban_nsec = entry.ban_nsec;
            n_found += n_found < n;
        }
    }
    return n_found;
}

unsigned source_pardon(struct source_table *table, const struct source_key *key,
                       const struct source_limits *limits, uint64_t now_nsec)
{
    struct source_place place = {0};
    uint32_t first = 0, end = source_n_entries(table);
    unsigned n_pardoned = 0;

    if (key) {
        place = source_place(table, key);
        first = place.first;
        end = first + SOURCE_WAYS;
    }
    for (uint32_t i = first; i < end; i++) {
        struct source_set *set = source_set_of(table, i);
        uint32_t way = i % SOURCE_WAYS;

        if (key && source_tag(source_load(&set->count[way])) != place.tag)
            continue;
        n_pardoned += source_time(source_load(&set->ban[way]), now_nsec, limits->penalty_max_nsec) >
                      now_nsec;
        if (source_load(&set->ban[way]) != 0)
            atomic_store_explicit(&set->ban[way], 0, memory_order_relaxed);
        if (source_load(&set->paid[way]) != 0)
            atomic_store_explicit(&set->paid[way], 0, memory_order_relaxed);
    }
    return n_pardoned;
}
