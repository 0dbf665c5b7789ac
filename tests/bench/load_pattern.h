// SPDX-License-Identifier: MIT
// The bytes a mode sends or must receive: windows of up to PATTERN_WINDOW bytes, at any position,
// into one period that repeats for ever. So checking is a single memcmp() for each read.
#pragma once

#include <err.h>
#include <string.h>

#include "load_modes.h"
#include "load_ws.h"

#define PATTERN_WINDOW 65536
#define PATTERN_PRIME  65521 // period of the random bytes: no block size divides it
#define PATTERN_LINE   74    // RFC 864: 72 characters, CR, LF
#define PATTERN_RING   7030  // 95 lines, after which the stream repeats

static struct {
    char *bytes;
    size_t period;
} pattern;

static inline char pattern_ring_byte(size_t i)
{
    size_t line = i / PATTERN_LINE, column = i % PATTERN_LINE;

    return (char)(column < 72 ? ' ' + (line + column) % 95 : column == 72 ? '\r' : '\n');
}

// The second half of each line is the first, backwards. A server may take a CR at its end away.
static inline void pattern_mirror(void)
{
    size_t text = option.size - 1;

    for (size_t i = 0; i < pattern.period; i++) {
        size_t column = i % option.size;

        if (pattern.bytes[i] == '\r')
            pattern.bytes[i] = ' ';
        if (column < text && column >= text / 2)
            pattern.bytes[i] = pattern.bytes[i - column + text - 1 - column];
    }
}

// Fills the table for the mode and the text in `option`. Exits when there is no memory.
static inline void pattern_init(void)
{
    uint64_t state = UINT64_C(0x9E3779B97F4A7C15);
    const char *text = option.expect;

    if (option.lines && option.size > PATTERN_PRIME)
        errx(64, "--lines: %d bytes at most", PATTERN_PRIME);
    pattern.period = option.lines         ? PATTERN_PRIME / option.size * option.size
                     : option.mode->sends ? PATTERN_PRIME
                     : text               ? strlen(text) + 1
                                          : PATTERN_RING;
    pattern.bytes = malloc(pattern.period + PATTERN_WINDOW);
    if (!pattern.bytes)
        err(71, "malloc");
    for (size_t i = 0; i < pattern.period; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        pattern.bytes[i] = option.mode->sends ? (char)(state >> 32)
                           : text             ? text[i]
                                              : pattern_ring_byte(i);
    }
    for (size_t i = 0; i < pattern.period && option.opcode == WS_TEXT; i++)
        pattern.bytes[i] = (char)(' ' + (uint8_t)pattern.bytes[i] % 95);
    for (size_t i = 0; i < pattern.period && option.lines; i++)
        if ((i + 1) % option.size == 0)
            pattern.bytes[i] = '\n';
        else if (pattern.bytes[i] == '\n')
            pattern.bytes[i] = ' ';
    if (option.lines == BOTH_WAYS)
        pattern_mirror();
    for (size_t i = pattern.period; i < pattern.period + PATTERN_WINDOW; i++)
        pattern.bytes[i] = pattern.bytes[i - pattern.period];
}

static inline const char *pattern_at(uint64_t position)
{
    return pattern.bytes + position % pattern.period;
}

// Where in the table the bytes of a connection begin: elsewhere for each, at the start of a line.
static inline size_t pattern_seed(uint32_t serial)
{
    return option.mode->sends ? (size_t)serial * 7919 * (option.lines ? option.size : 1) : 0;
}
