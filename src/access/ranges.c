// SPDX-License-Identifier: MIT
// Ranges, made in one pass over the sorted prefixes with a stack of those that the pass is inside
// of. A range has its first address only: it goes on to the next one's.

#include "access/ranges.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

#define DEPTH_MAX 129 // lengths that prefixes within each other can have
#define NO_RULE   UINT32_MAX

struct range {
    uint8_t start[16];
    uint32_t rule;
};

struct ranges {
    struct range *items[2]; // IPv4's, IPv6's
    size_t n[2];
};

struct pass {
    struct range *items;
    size_t n;
    const struct prefix *prefixes;
    uint32_t inside[DEPTH_MAX];
    size_t depth;
};

static int compare(const void *left, const void *right, void *data)
{
    const struct prefix *prefixes = data;
    const size_t *i = left, *k = right;
    const struct prefix *a = &prefixes[*i], *b = &prefixes[*k];
    int r = (int)a->is_v6 - (int)b->is_v6;

    if (r == 0)
        r = memcmp(a->ip, b->ip, sizeof(a->ip));
    if (r == 0)
        r = (int)a->length - (int)b->length;
    return r != 0 ? r : (*i > *k) - (*i < *k);
}

size_t *prefixes_sort(const struct prefix *prefixes, size_t n)
{
    size_t *order = base_checked(calloc(n + 1, sizeof(*order)));

    for (size_t i = 0; i < n; i++)
        order[i] = i;
    qsort_r(order, n, sizeof(*order), compare, (void *)(uintptr_t)prefixes);
    return order;
}

// From that address on, the rule is this one.
static void begin(struct pass *pass, const uint8_t start[16], uint32_t rule)
{
    struct range *last = &pass->items[pass->n];

    if (pass->n == 0 || memcmp(last[-1].start, start, sizeof(last->start)) != 0)
        pass->n++;
    else
        last--;
    memcpy(last->start, start, sizeof(last->start));
    last->rule = rule;
    if (pass->n > 1 && last[-1].rule == rule)
        pass->n--;
}

// The first address behind the prefix. False: it goes up to the last one there is.
static bool find_end(const struct prefix *prefix, uint8_t ret[16])
{
    unsigned bit = prefix->length;

    memcpy(ret, prefix->ip, 16);
    while (bit > 0) { // adds 1 to the last bit of the length
        bit--;
        ret[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
        if ((ret[bit / 8] & 0x80 >> bit % 8) != 0)
            return true;
    }
    return false;
}

// Out of the innermost prefix.
static void leave(struct pass *pass)
{
    uint8_t end[16];
    uint32_t ended = pass->inside[--pass->depth];

    if (find_end(&pass->prefixes[ended], end))
        begin(pass, end, pass->depth > 0 ? pass->inside[pass->depth - 1] : NO_RULE);
}

static void enter(struct pass *pass, uint32_t rule)
{
    const struct prefix *prefix = &pass->prefixes[rule];

    while (pass->depth > 0 &&
           !prefix_contains(&pass->prefixes[pass->inside[pass->depth - 1]], prefix))
        leave(pass);
    if (pass->depth > 0 && prefix_is_same(&pass->prefixes[pass->inside[pass->depth - 1]], prefix))
        return;
    assert(pass->depth < DEPTH_MAX);
    pass->inside[pass->depth++] = rule;
    begin(pass, prefix->ip, rule);
}

struct ranges *ranges_new(const struct prefix *prefixes, size_t n)
{
    static const uint8_t first[16];
    struct ranges *ranges = base_checked(calloc(1, sizeof(*ranges)));
    cleanup_free size_t *order = prefixes_sort(prefixes, n);
    size_t i = 0;

    assert(n < NO_RULE);
    for (int family = 0; family < 2; family++) {
        struct pass pass = {.prefixes = prefixes};
        size_t of_family = 0;

        while (i + of_family < n && prefixes[order[i + of_family]].is_v6 == (family == 1))
            of_family++;
        pass.items = base_checked(calloc(2 * of_family + 1, sizeof(pass.items[0])));
        begin(&pass, first, NO_RULE);
        for (size_t end = i + of_family; i < end; i++)
            enter(&pass, (uint32_t)order[i]);
        while (pass.depth > 0)
            leave(&pass);
        ranges->items[family] = pass.items;
        ranges->n[family] = pass.n;
    }
    return ranges;
}

struct ranges *ranges_free(struct ranges *ranges)
{
    if (!ranges)
        return NULL;
    free(ranges->items[0]);
    free(ranges->items[1]);
    free(ranges);
    return NULL;
}

// The index of the range that the address is in.
static size_t find(const struct ranges *ranges, const struct prefix *address)
{
    const struct range *items = ranges->items[address->is_v6];
    size_t low = 0, high = ranges->n[address->is_v6]; // the first one begins at the first address
    size_t size = address->is_v6 ? 16 : 4;

    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;

        if (memcmp(items[middle].start, address->ip, size) <= 0)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static size_t rule_of(const struct range *range)
{
    return range->rule == NO_RULE ? RANGES_NONE : range->rule;
}

size_t ranges_find(const struct ranges *ranges, const struct prefix *address)
{
    return rule_of(&ranges->items[address->is_v6][find(ranges, address)]);
}

void ranges_beside(const struct ranges *ranges, const struct prefix *address, size_t ret[2])
{
    const struct range *items = ranges->items[address->is_v6];
    size_t i = find(ranges, address);

    ret[0] = i > 0 ? rule_of(&items[i - 1]) : RANGES_NONE;
    ret[1] = i + 1 < ranges->n[address->is_v6] ? rule_of(&items[i + 1]) : RANGES_NONE;
}
