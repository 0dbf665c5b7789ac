// SPDX-License-Identifier: MIT
// A small edit distance, for "did you mean".

#include "base/spelling.h"

#include <string.h>

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

// One row of the table: the distances between the first i letters of a and each beginning of b,
// from the two rows before it.
static void fill(unsigned *row, const unsigned *before, const unsigned *two_before, const char *a,
                 size_t i, const char *b)
{
    row[0] = (unsigned)i;
    for (size_t j = 1; b[j - 1] != '\0'; j++) {
        row[j] = least(least(before[j], row[j - 1]) + 1, before[j - 1] + (a[i - 1] != b[j - 1]));
        if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
            row[j] = least(row[j], two_before[j - 2] + 1);
    }
}

unsigned spelling_distance(const char *a, const char *b)
{
    unsigned rows[3][SPELLING_MAX + 1] = {0};
    size_t n = strlen(a), m = strlen(b);

    if (n > SPELLING_MAX || m > SPELLING_MAX)
        return SPELLING_FAR;
    for (size_t j = 0; j <= m; j++)
        rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= n; i++)
        fill(rows[i % 3], rows[(i + 2) % 3], rows[(i + 1) % 3], a, i, b);
    return rows[n % 3][m];
}

bool spelling_is_closer(const char *word, const char *known, unsigned *best)
{
    size_t n = strlen(word), m = strlen(known);
    unsigned distance, most = least(3, (unsigned)(n / 3));

    if ((n > m ? n - m : m - n) > most)
        return false; // as far away at least
    distance = spelling_distance(word, known);
    if (distance > most || distance >= *best)
        return false;
    *best = distance;
    return true;
}
