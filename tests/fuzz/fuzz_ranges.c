// SPDX-License-Identifier: MIT
// The look-up in ranges against a linear search for the longest prefix. Input: 6 bytes a prefix,
// family and length, then what begins its address; at each edge of each one is looked.

#include "access/ranges.h"

#include "fuzz.h"

#define PIECE        6
#define PREFIXES_MAX 64

static struct prefix make(const uint8_t *data)
{
    struct prefix prefix = {.is_v6 = data[0] >= 0x80};
    unsigned full = prefix.is_v6 ? 128 : 32;

    // Few bits differ, in different places, so that prefixes meet.
    prefix.length = (uint8_t)(data[1] % (full + 1));
    memcpy(prefix.ip, data + 2, 2);
    prefix.ip[prefix.is_v6 ? 15 : 3] = data[4];
    prefix.ip[prefix.is_v6 ? data[0] % 16 : 2] |= data[5];
    for (unsigned bit = prefix.length; bit < 128; bit++)
        prefix.ip[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
    return prefix;
}

static size_t find_simply(const struct prefix *prefixes, size_t n, const struct prefix *address)
{
    size_t best = RANGES_NONE;

    for (size_t i = 0; i < n; i++)
        if (prefix_contains(&prefixes[i], address) &&
            (best == RANGES_NONE || prefixes[i].length > prefixes[best].length))
            best = i;
    return best;
}

// The first address of the prefix, the last one, and those beside them.
static struct prefix edge(const struct prefix *prefix, int which)
{
    struct prefix address = *prefix;
    unsigned full = prefix->is_v6 ? 128 : 32;

    address.length = (uint8_t)full;
    for (unsigned bit = prefix->length; which >= 2 && bit < full; bit++)
        address.ip[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
    for (unsigned i = full / 8; which % 2 == 1 && i > 0; i--) { // one less, or one more
        address.ip[i - 1] = (uint8_t)(address.ip[i - 1] + (which == 1 ? 0xff : 1));
        if (address.ip[i - 1] != (which == 1 ? 0xff : 0))
            break;
    }
    return address;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct prefix prefixes[PREFIXES_MAX];
    struct ranges *ranges;
    size_t n = 0;

    while (n < PREFIXES_MAX && (n + 1) * PIECE <= size) {
        prefixes[n] = make(data + n * PIECE);
        n++;
    }
    ranges = ranges_new(prefixes, n);
    for (size_t i = 0; i < n; i++)
        for (int which = 0; which < 4; which++) {
            struct prefix address = edge(&prefixes[i], which);

            MUST(ranges_find(ranges, &address) == find_simply(prefixes, n, &address));
        }
    (void)ranges_free(ranges);
    return 0;
}
