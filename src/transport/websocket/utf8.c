// SPDX-License-Identifier: MIT
// UTF-8 by the table of RFC 3629, section 4: a first byte says how many follow, and only the second
// has limits of its own.

#include "transport/websocket/utf8.h"

#include <string.h>

#define ASCII_MASK UINT64_C(0x8080808080808080)

// The first bytes from `first` on, up to the next row.
static const struct {
    uint8_t first;
    struct utf8 then;
} leads[] = {
    {0xf5, {0, 1, 0}}, // no byte lies between 1 and 0: a wrong one
    {0xf4, {3, 0x80, 0x8f}}, {0xf1, {3, 0x80, 0xbf}}, {0xf0, {3, 0x90, 0xbf}},
    {0xee, {2, 0x80, 0xbf}}, {0xed, {2, 0x80, 0x9f}}, {0xe1, {2, 0x80, 0xbf}},
    {0xe0, {2, 0xa0, 0xbf}}, {0xc2, {1, 0x80, 0xbf}}, {0x80, {0, 1, 0}},
    {0x00, {0, 0, 0}},
};

static bool begin_character(struct utf8 *utf8, uint8_t byte)
{
    size_t i = 0;

    while (byte < leads[i].first)
        i++;
    *utf8 = leads[i].then;
    return utf8->low <= utf8->high;
}

static bool take_byte(struct utf8 *utf8, uint8_t byte)
{
    if (utf8->n_left == 0)
        return begin_character(utf8, byte);
    if (byte < utf8->low || byte > utf8->high)
        return false;
    *utf8 = (struct utf8){.n_left = (uint8_t)(utf8->n_left - 1), .low = 0x80, .high = 0xbf};
    return true;
}

// How many bytes of ASCII begin the data, in eights.
static size_t skip_ascii(const uint8_t *data, size_t length)
{
    size_t n = 0;
    uint64_t eight;

    for (; length - n >= sizeof(eight); n += sizeof(eight)) {
        memcpy(&eight, data + n, sizeof(eight));
        if (eight & ASCII_MASK)
            break;
    }
    return n;
}

size_t utf8_take(struct utf8 *utf8, const uint8_t *data, size_t length)
{
    size_t n = 0;

    while (n < length) {
        if (utf8->n_left == 0)
            n += skip_ascii(data + n, length - n);
        if (n < length && !take_byte(utf8, data[n]))
            return n;
        n += n < length;
    }
    return n;
}

size_t utf8_whole_length(const uint8_t *data, size_t length)
{
    for (size_t n = 1; n <= 3 && n <= length; n++) {
        const uint8_t *tail = data + length - n;
        struct utf8 utf8 = {0};

        if ((tail[0] & 0xc0) != 0x80) // where a character begins
            return utf8_take(&utf8, tail, n) == n && !utf8_is_whole(&utf8) ? length - n : length;
    }
    return length;
}
