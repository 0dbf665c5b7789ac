// SPDX-License-Identifier: MIT
// The worker's side of a source table: find the entry, or one that can be taken over, and count
// with one compare-and-swap that tests the tag and the limit as well. Others write to the same
// memory, honestly or not, so every loop has an end.

#include "access/source_table.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

#include "access/source_words.h"

#ifndef SOURCE_STORED
#define SOURCE_STORED(step) ((void)0) // a test ends the process here
#endif

static_assert(sizeof(struct source_set) == 40 * SOURCE_WAYS, "40 bytes an entry");
static_assert(SOURCE_ENTRIES_MAX == 1 << SOURCE_ENTRY_BITS, "all entries can be named");

uint32_t source_table_entries(uint32_t wanted, unsigned max_workers, bool remembers)
{
    uint64_t least = wanted > 0 ? wanted : 4 * (uint64_t)max_workers;
    uint32_t n = wanted == 0 && remembers ? 8 * SOURCE_ENTRIES_MIN : SOURCE_ENTRIES_MIN;

    while (n < least && n < SOURCE_ENTRIES_MAX)
        n *= 2;
    return n;
}

size_t source_table_bytes(uint32_t n_entries)
{
    return n_entries / SOURCE_WAYS * sizeof(struct source_set);
}

void source_table_attach(struct source_table *table, void *memory, uint32_t n_entries,
                         const struct siphash_secret *secret)
{
    assert(n_entries >= 2 * SOURCE_WAYS && n_entries <= SOURCE_ENTRIES_MAX &&
           (n_entries & (n_entries - 1)) == 0);
    *table = (struct source_table){memory, n_entries / SOURCE_WAYS, *secret};
}

struct source_place source_place(const struct source_table *table, const struct source_key *key)
{
    uint64_t hash = source_key_hash(key, &table->secret), tag = source_tag(hash);
    uint32_t half = table->n_sets / 2, set = (uint32_t)hash & (half - 1);

    if (source_key_is_wide(key))
        set += half;
    return (struct source_place){
        .set = &table->sets[set],
        .first = set * SOURCE_WAYS,
        .tag = tag ? tag : UINT64_C(1) << 16,
    };
}

// The lowest way that has the tag, and its word; -1.
static int find_way(const struct source_place *place, uint64_t *ret_word)
{
    for (int way = 0; way < SOURCE_WAYS; way++) {
        *ret_word = source_load(&place->set->count[way]);
        if (source_tag(*ret_word) == place->tag)
            return way;
    }
    return -1;
}

// A way that is free; else one without connections that owes least: nothing, or a penalty that
// then ends early. -1: all have connections.
static int choose_way(const struct source_place *place, uint64_t now_nsec, uint64_t *ret_word)
{
    uint64_t least = UINT64_MAX;
    int chosen = -1;

    for (int way = 0; way < SOURCE_WAYS; way++) {
        uint64_t word = source_load(&place->set->count[way]),
                 paid = source_load(&place->set->paid[way]),
                 ban = source_load(&place->set->ban[way]), owes = paid > ban ? paid : ban;

        if (word == 0)
            owes = 0;
        else if (owes <= now_nsec)
            owes = 1;
        if (source_count(word) != 0 || (chosen >= 0 && owes >= least))
            continue;
        chosen = way;
        least = owes;
        *ret_word = word;
    }
    return chosen;
}

static struct source_entry read_entry(const struct source_place *place, int way, uint64_t word)
{
    return (struct source_entry){
        .connections = source_count(word),
        .paid_nsec = source_load(&place->set->paid[way]),
        .ban_nsec = source_load(&place->set->ban[way]),
    };
}

struct source_entry source_look(const struct source_table *table, const struct source_key *key)
{
    struct source_place place = source_place(table, key);
    struct source_entry entry = {0};
    uint64_t word;
    int way = find_way(&place, &word);

    if (way >= 0)
        entry = read_entry(&place, way, word);
    entry.key = *key;
    entry.is_known = way >= 0;
    return entry;
}

// When the rate would be paid for with one connection more; 0: that is too soon.
static uint64_t pay(uint64_t paid_nsec, const struct source_limits *limits, uint64_t now_nsec)
{
    uint64_t span = limits->burst * limits->interval_nsec;
    uint64_t next = source_time(paid_nsec, now_nsec, span) + limits->interval_nsec;

    return next <= now_nsec + span ? next : 0;
}

static enum source_verdict judge_arrival(const struct source_entry *entry,
                                         const struct source_limits *limits, uint64_t now_nsec)
{
    unsigned most = limits->connections ? limits->connections : SOURCE_COUNT_MAX;

    if (source_time(entry->ban_nsec, now_nsec, limits->penalty_max_nsec) >
        now_nsec + limits->penalty_min_nsec)
        return SOURCE_PENALTY;
    return entry->connections < most ? SOURCE_ENTERED : SOURCE_CONNECTIONS;
}

enum source_verdict source_judge(const struct source_entry *entry,
                                 const struct source_limits *limits, uint64_t now_nsec)
{
    enum source_verdict verdict = judge_arrival(entry, limits, now_nsec);

    if (verdict == SOURCE_ENTERED && limits->interval_nsec > 0 &&
        pay(entry->paid_nsec, limits, now_nsec) == 0)
        return SOURCE_RATE;
    return verdict;
}

static void say(const struct source_hold *hold, enum source_state state)
{
    atomic_store_explicit(hold->held, source_held(hold->session, state, hold->entry),
                          memory_order_release);
}

// The entry was another's, or nobody's: what it owed is not ours.
static void claim(const struct source_place *place, int way, const struct source_key *key)
{
    uint64_t prefix[2];

    memcpy(prefix, key->prefix, sizeof(prefix));
    atomic_store_explicit(&place->set->paid[way], 0, memory_order_relaxed);
    atomic_store_explicit(&place->set->ban[way], 0, memory_order_relaxed);
    for (int i = 0; i < 2; i++)
        atomic_store_explicit(&place->set->prefix[way][i], prefix[i], memory_order_relaxed);
}

// Says what it is about to do, and does it: false when the word is not what it was.
static bool try_way(const struct source_place *place, struct source_hold *hold, int way,
                    uint64_t word, const struct source_key *key)
{
    bool is_ours = source_tag(word) == place->tag;

    hold->entry = place->first + (uint32_t)way;
    hold->tag = place->tag;
    say(hold, is_ours ? SOURCE_PENDING : SOURCE_CLAIMING);
    SOURCE_STORED(1);
    if (!source_swap(&place->set->count[way], &word, is_ours ? word + 1 : place->tag | 1))
        return false;
    SOURCE_STORED(2);
    if (!is_ours)
        claim(place, way, key);
    hold->is_held = true;
    say(hold, SOURCE_HELD);
    SOURCE_STORED(3);
    return true;
}

// All but the rate.
static enum source_verdict arrive(const struct source_place *place, struct source_hold *hold,
                                  const struct source_key *key, const struct source_limits *limits,
                                  uint64_t now_nsec)
{
    for (int i = 0; i < SOURCE_TRIES; i++) {
        uint64_t word;
        int way = find_way(place, &word);

        if (way >= 0) {
            struct source_entry entry = read_entry(place, way, word);
            enum source_verdict verdict = judge_arrival(&entry, limits, now_nsec);

            if (verdict != SOURCE_ENTERED)
                return verdict;
        } else {
            way = choose_way(place, now_nsec, &word);
            if (way < 0)
                break;
        }
        if (try_way(place, hold, way, word, key))
            return SOURCE_ENTERED;
    }
    return limits->overflow_refuses ? SOURCE_OVERFLOW : SOURCE_UNCOUNTED;
}

static bool charge_rate(_Atomic uint64_t *paid, const struct source_limits *limits,
                        uint64_t now_nsec)
{
    uint64_t was = source_load(paid), next;
    int n = 0;

    do {
        next = pay(was, limits, now_nsec);
        if (next == 0)
            return false;
    } while (!source_swap(paid, &was, next) && ++n < SOURCE_TRIES);
    return true;
}

enum source_verdict source_enter(struct source_table *table, struct source_hold *hold,
                                 const struct source_key *key, const struct source_limits *limits,
                                 uint64_t now_nsec)
{
    struct source_place place = source_place(table, key);
    enum source_verdict verdict;

    assert(!hold->is_held);
    hold->session++;
    verdict = arrive(&place, hold, key, limits, now_nsec);
    if (verdict != SOURCE_ENTERED) {
        say(hold, SOURCE_FREE); // it may have tried
    } else if (limits->interval_nsec > 0 &&
               !charge_rate(&place.set->paid[hold->entry % SOURCE_WAYS], limits, now_nsec)) {
        source_leave(table, hold);
        verdict = SOURCE_RATE;
    }
    return verdict;
}

void source_leave(struct source_table *table, struct source_hold *hold)
{
    _Atomic uint64_t *count;
    uint64_t word;

    if (!hold->is_held)
        return;
    count = &source_set_of(table, hold->entry)->count[hold->entry % SOURCE_WAYS];
    say(hold, SOURCE_LEAVING);
    SOURCE_STORED(4);
    word = source_load(count);
    for (int i = 0; i < SOURCE_TRIES; i++)
        if (source_tag(word) != hold->tag || source_count(word) == 0 ||
            source_swap(count, &word, word - 1))
            break; // not ours any more: it was written over
    SOURCE_STORED(5);
    hold->is_held = false;
    say(hold, SOURCE_FREE);
    SOURCE_STORED(6);
}
