// SPDX-License-Identifier: MIT
// Each test of the relay over both kinds of sockets, with pipes and without, and what is sent.
#pragma once

#include <signal.h>
#include <sys/resource.h>

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

// Opens it while the process may have no pipe.
static inline void open_without_pipes(struct bench *bench, enum pair_kind kind)
{
    struct rlimit limit, none = {0};

    bench_open(bench, kind, (struct deadlines){0});
    relay_close(&bench->relay);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none.rlim_max = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    relay_open(&bench->relay, &bench->session, bench->far.server);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    check_number("a pipe", bench->relay.ways[RELAY_CLIENT].in, -1);
    check_number("a pipe", bench->relay.ways[RELAY_FAR].in, -1);
}

enum way_kind { WITH_PIPES, WITHOUT_PIPES, WAY_KINDS };

static inline void open_kind(struct bench *bench, enum pair_kind kind, enum way_kind ways)
{
    if (ways == WITHOUT_PIPES)
        open_without_pipes(bench, kind);
    else
        bench_open(bench, kind, (struct deadlines){0});
    check_true("pipes", (bench->relay.ways[RELAY_CLIENT].in >= 0) == (ways == WITH_PIPES));
}

static inline void for_each_kind(void (*check)(const char *row, enum pair_kind, enum way_kind,
                                               size_t),
                                 const char *const *names, size_t stride, size_t n)
{
    for (int kind = 0; kind < PAIR_KINDS; kind++)
        for (int ways = 0; ways < WAY_KINDS; ways++)
            for (size_t i = 0; i < n; i++) {
                char row[120];
                const char *name = *(const char *const *)((const char *)names + i * stride);

                (void)snprintf(row, sizeof(row), "%s, %s, %s", pair_names[kind],
                               ways == WITH_PIPES ? "splice" : "copy", name);
                check(row, (enum pair_kind)kind, (enum way_kind)ways, i);
            }
}

#define FOR_EACH(check, table) \
    for_each_kind(check, &(table)[0].name, sizeof((table)[0]), ELEMENTS(table))

static inline int run_relay_tests(const struct CMUnitTest *tests, size_t n)
{
    (void)signal(SIGPIPE, SIG_IGN); // as in workers; splice(2) has no flag for it
    fill_texts();
    return _cmocka_run_group_tests("relay", tests, n, NULL, NULL);
}
