// SPDX-License-Identifier: MIT
// Characters of a text that somebody has written: what the next one is, and what it is called.
// Pure.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum character_kind {
    CHARACTER_PLAIN,     // letters, signs; of ASCII also the space, tab and newline
    CHARACTER_SPACE,     // looks like a space and is none of ASCII's
    CHARACTER_INVISIBLE, // nothing is seen of it
    CHARACTER_CONTROL,   // the other ones of ASCII, and C1
    CHARACTER_QUOTE,     // looks like one of ASCII's quotes and is none
    CHARACTER_BROKEN,    // a byte that is not UTF-8
};

struct character {
    enum character_kind kind;
    size_t length;    // in bytes
    uint32_t code;    // of Unicode, or the byte
    const char *name; // of those that are not plain, as Unicode has it; NULL: it has none
};

// The character that begins the text, of which there is at least one byte.
struct character character_at(const void *text, size_t length);
