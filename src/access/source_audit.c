// SPDX-License-Identifier: MIT
// The master's side: burying, and the recount. The recount reads what each worker holds, then the
// counts, then what each holds again. A worker whose word is the same both times held that, and
// nothing else, when the counts were read; any other may have been in a set that it names or not.
// So each count has a lowest and a highest value that can be right, and is moved to the nearer one.

#include "access/source_audit.h"

#include <errno.h>
#include <stdatomic.h>

#include "access/source_words.h"
#include "base/base.h"

static uint64_t look(const _Atomic uint64_t *word)
{
    return atomic_load_explicit(word, memory_order_acquire);
}

// Adds to a count as long as the entry is the same source's.
static void add(_Atomic uint64_t *count, uint64_t tag, int n)
{
    uint64_t word = source_load(count), next;

    for (int i = 0; i < SOURCE_TRIES; i++) {
        int to = source_count(word) + n;

        if (source_tag(word) != tag)
            return;
        to = to < 0 ? 0 : to > SOURCE_COUNT_MAX ? SOURCE_COUNT_MAX : to;
        next = tag | (uint64_t)to;
        if (source_swap(count, &word, next))
            return;
    }
}

bool source_bury(struct source_table *table, uint64_t held)
{
    uint32_t entry = source_held_entry(table, held), way = entry % SOURCE_WAYS;
    struct source_set *set = source_set_of(table, entry);

    switch (source_held_state(held)) {
    case SOURCE_FREE:
        return true;
    case SOURCE_HELD:
        add(&set->count[way], source_tag(source_load(&set->count[way])), -1);
        return true;
    case SOURCE_CLAIMING: // what the one before owed may still be there
        atomic_store_explicit(&set->paid[way], 0, memory_order_relaxed);
        atomic_store_explicit(&set->ban[way], 0, memory_order_relaxed);
        return false;
    default:
        return false;
    }
}

bool source_blame(struct source_table *table, uint64_t held, uint64_t cost_nsec,
                  const struct source_limits *limits, uint64_t now_nsec)
{
    uint32_t entry = source_held_entry(table, held);

    return source_held_state(held) == SOURCE_HELD &&
           source_ban(&source_set_of(table, entry)->ban[entry % SOURCE_WAYS], cost_nsec, limits,
                      now_nsec);
}

// --- The recount ---
struct tally {
    const struct source_table *table;
    uint64_t *words;     // the counts as they were
    uint16_t *certain;   // connections of each entry that were there
    uint16_t *open;      // that may have been there, of each set
    uint16_t everywhere; // in any
};

static void raise(uint16_t *n)
{
    if (*n < UINT16_MAX)
        ++*n;
}

static void note_open(struct tally *tally, uint64_t held)
{
    raise(&tally->open[source_held_entry(tally->table, held) / SOURCE_WAYS]);
}

// A worker's word before the counts were read, and after. Whoever arrives tries one way of its set
// after another, so an arrival is open in all of them.
static void note_worker(struct tally *tally, uint64_t before, uint64_t after)
{
    uint64_t n_begun = source_held_session(after) - source_held_session(before);
    unsigned state = source_held_state(after);

    if (n_begun > 1) {
        raise(&tally->everywhere); // it was elsewhere meanwhile
    } else if (before != after) {
        note_open(tally, before);
        note_open(tally, after);
    } else if (state == SOURCE_HELD) {
        raise(&tally->certain[source_held_entry(tally->table, after)]);
    } else if (state != SOURCE_FREE) {
        note_open(tally, after);
    }
}

static void put_right(const struct tally *tally, uint32_t entry, struct source_recount *ret)
{
    _Atomic uint64_t *count = &source_set_of(tally->table, entry)->count[entry % SOURCE_WAYS];
    uint64_t word = tally->words[entry];
    int least = tally->certain[entry], seen = source_count(word),
        most = least + tally->open[entry / SOURCE_WAYS] + tally->everywhere;

    if (source_tag(word) == 0)
        least = most = 0; // nobody's
    if (seen >= least && seen <= most)
        return;
    ret->n_entries++;
    if (seen > most)
        ret->too_many += (unsigned)(seen - most);
    else
        ret->too_few += (unsigned)(least - seen);
    add(count, source_tag(word), seen > most ? most - seen : least - seen);
}

int source_recount(struct source_table *table, const _Atomic uint64_t *const held[],
                   size_t n_workers, struct source_recount *ret)
{
    uint32_t n_entries = source_n_entries(table);
    cleanup_free uint64_t *before = calloc(n_workers + 1, sizeof(*before));
    cleanup_free uint64_t *words = calloc(n_entries, sizeof(*words));
    cleanup_free uint16_t *certain = calloc(n_entries, sizeof(*certain));
    cleanup_free uint16_t *open = calloc(table->n_sets, sizeof(*open));
    struct tally tally = {table, words, certain, open, 0};

    *ret = (struct source_recount){0};
    if (!before || !words || !certain || !open)
        return -ENOMEM;
    for (size_t i = 0; i < n_workers; i++)
        before[i] = look(held[i]);
    for (uint32_t i = 0; i < n_entries; i++)
        words[i] = look(&source_set_of(table, i)->count[i % SOURCE_WAYS]);
    for (size_t i = 0; i < n_workers; i++)
        note_worker(&tally, before[i], look(held[i]));
    for (uint32_t i = 0; i < n_entries; i++)
        put_right(&tally, i, ret);
    return 0;
}
