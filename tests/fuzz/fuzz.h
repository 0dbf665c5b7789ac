// SPDX-License-Identifier: MIT
// What the fuzz targets share: a claim that ends the run, and input that decides how the rest of it
// is cut.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MUST(condition)                                                             \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                \
        }                                                                           \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// A little generator, so that a byte of input is many cuts.
struct cuts {
    uint32_t state;
};

static inline size_t next_cut(struct cuts *cuts, size_t max)
{
    cuts->state = cuts->state * 1664525 + 1013904223;
    switch (cuts->state >> 30) {
    case 0:
        return 1;
    case 1:
        return 1 + (cuts->state >> 16) % 16;
    case 2:
        return 1 + (cuts->state >> 8) % 5000;
    default:
        return max;
    }
}

static inline size_t next_piece(struct cuts *cuts, size_t left)
{
    size_t n = next_cut(cuts, left);

    return n < left ? n : left;
}
