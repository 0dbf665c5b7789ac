// SPDX-License-Identifier: MIT
// Whether bytes that come in pieces are UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing
// beyond U+10FFFF. Fails at the first byte that cannot be. Pure.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What is known of a character that has begun; all zero before the first byte.
struct utf8 {
    uint8_t n_left;    // bytes that it still needs
    uint8_t low, high; // what the next of them may be
};

// Takes bytes until one is wrong. Returns how many were right; if not all, the text is broken, and
// what follows is not to be asked about.
size_t utf8_take(struct utf8 *utf8, const uint8_t *data, size_t length);

// Whether the text may end here: not within a character.
static inline bool utf8_is_whole(const struct utf8 *utf8)
{
    return utf8->n_left == 0;
}

// How many of the bytes come before a last character that is not there as a whole: length, or up to
// 3 less. Of bytes that are not UTF-8: length.
size_t utf8_whole_length(const uint8_t *data, size_t length);
