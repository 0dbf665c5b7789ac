// SPDX-License-Identifier: MIT
// Which known word somebody may have meant. Pure.
#pragma once

#include <stdbool.h>

// How many letters must be changed, added, taken out, or swapped with their neighbour (the optimal
// string alignment distance, in O(n m) time). Words longer than SPELLING_MAX are far from all.
#define SPELLING_MAX 63
unsigned spelling_distance(const char *a, const char *b);

// Whether a word is close enough to be offered for another, that is, whether the distance is at
// most a third of its length and at most 3. *best: the distance of the best so far, which this one
// has to beat and becomes; begin with SPELLING_FAR.
#define SPELLING_FAR (~0U)
bool spelling_is_closer(const char *word, const char *known, unsigned *best);
