// SPDX-License-Identifier: MIT
// A small edit distance, for "did you mean".

#include "base/spelling.h"

#include <string.h>

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

unsigned spelling_distance(const char *a, const char *b)
{
    // Row i has the distances between the first i letters of a and each beginning of b.
    unsigned rows[3][SPELLING_MAX + 1];
    size_t n = strlen(a), m = strlen(b);

    if (n > SPELLING_MAX || m > SPELLING_MAX)
        return SPELLING_FAR;
    for (size_t i = 0; i <= n; i++) {
        unsigned *row = rows[i % 3];
        const unsigned *before = rows[(i + 2) % 3], *two_before = rows[(i + 1) % 3];

        row[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            if (i == 0) {
                row[j] = (unsigned)j;
                continue;
            }
            row[j] = least(least(before[j], row[j - 1]) + 1,
                           before[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], two_before[j - 2] + 1);
        }
    }
    return rows[n % 3][m];
}

bool spelling_is_closer(const char *word, const char *known, unsigned *best)
{
    unsigned distance = spelling_distance(word, known);

    if (distance > 3 || distance > strlen(word) / 3 || distance >= *best)
        return false;
    *best = distance;
    return true;
}
