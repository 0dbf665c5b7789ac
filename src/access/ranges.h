// SPDX-License-Identifier: MIT
// Many prefixes, laid flat: sorted ranges that do not overlap, each with the longest prefix that it
// is in. So one binary search finds what decides about an address, and the order in which prefixes
// were written means nothing. Made once, then only read; workers share it by the fork. Pure;
// without memory the process ends.
#pragma once

#include <stddef.h>

#include "access/prefix.h"

#define RANGES_NONE SIZE_MAX

struct ranges;

// What it is made of may go afterwards. Of equal prefixes the first one counts.
struct ranges *ranges_new(const struct prefix *prefixes, size_t n);
// NULL is fine, NULL is returned.
struct ranges *ranges_free(struct ranges *ranges);

// The index of the longest prefix that the address, a prefix of full length, is in; RANGES_NONE.
size_t ranges_find(const struct ranges *ranges, const struct prefix *address);

// The same for the ranges on both sides of the one that the address is in.
void ranges_beside(const struct ranges *ranges, const struct prefix *address, size_t ret[2]);

// The indexes of prefixes in the order of their addresses, shorter ones first, equal ones beside
// each other as they stand; an owned list.
size_t *prefixes_sort(const struct prefix *prefixes, size_t n);
