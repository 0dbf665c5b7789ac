// SPDX-License-Identifier: MIT
// Each test of the relay over both kinds of sockets, and what is sent.
#pragma once

#include "relay_ends.h"

#define MIB (1024 * 1024)

static uint8_t texts[RELAY_ENDS][10 * MIB];

static inline void fill_texts(void)
{
    uint32_t x = 1;

    for (int i = 0; i < RELAY_ENDS; i++)
        for (size_t j = 0; j < sizeof(texts[i]); j++) {
            x = x * 1664525 + 1013904223;
            texts[i][j] = (uint8_t)(x >> 24);
        }
}

static inline void for_each_kind(void (*check)(const char *row, enum pair_kind, size_t),
                                 const char *const *names, size_t stride, size_t n)
{
    for (int kind = 0; kind < PAIR_KINDS; kind++)
        for (size_t i = 0; i < n; i++) {
            char row[120];
            const char *name = *(const char *const *)((const char *)names + i * stride);

            (void)snprintf(row, sizeof(row), "%s, %s", pair_names[kind], name);
            check(row, (enum pair_kind)kind, i);
        }
}

#define FOR_EACH(check, table) \
    for_each_kind(check, &(table)[0].name, sizeof((table)[0]), ELEMENTS(table))

static inline int run_relay_tests(const struct CMUnitTest *tests, size_t n)
{
    fill_texts();
    return _cmocka_run_group_tests("relay", tests, n, NULL, NULL);
}
