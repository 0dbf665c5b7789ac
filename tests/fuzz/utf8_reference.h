// SPDX-License-Identifier: MIT
// UTF-8 decoded by arithmetic, a whole text at a time.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Whether a code between low and high may be written in n bytes.
static inline bool is_possible(uint32_t low, uint32_t high, size_t n)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};

    low = low > least[n] ? low : least[n];
    high = high < 0x10ffff ? high : 0x10ffff;
    if (low >= 0xd800 && low <= 0xdfff)
        low = 0xe000;
    return low <= high;
}

// How many bytes are right; *ret_whole: and end behind a character.
static inline size_t reference_utf8(const uint8_t *data, size_t length, bool *ret_whole)
{
    size_t n_left = 0, n_bytes = 0;
    uint32_t code = 0;

    *ret_whole = true;
    for (size_t i = 0; i < length; i++) {
        uint8_t byte = data[i];

        if (n_left == 0) {
            n_bytes = byte < 0x80 ? 1 : byte < 0xc0 ? 0 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
            if (n_bytes == 0 || byte >= 0xf8)
                return i;
            code = n_bytes == 1 ? byte : byte & (0x7f >> n_bytes);
            n_left = n_bytes - 1;
        } else {
            if ((byte & 0xc0) != 0x80)
                return i;
            code = code << 6 | (byte & 0x3f);
            n_left--;
        }
        if (n_bytes > 1 && !is_possible(code << 6 * n_left,
                                        (code << 6 * n_left) | ((1u << 6 * n_left) - 1), n_bytes))
            return i;
        *ret_whole = n_left == 0;
    }
    return length;
}
