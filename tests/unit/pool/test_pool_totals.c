// SPDX-License-Identifier: MIT
// pool_totals.c: what workers have counted survives them, is summed up, and never falls, whatever
// they write.

#include "pool/pool_totals.h"

#include <string.h>

#include "unit.h"

#define SLOTS 3

static struct pools pools;
static struct pool pool;
static struct worker workers[SLOTS];
static struct score_counts *counts[SLOTS];

static int open_pool(void **state)
{
    struct score_page *page;
    struct pool_hint *hint;

    (void)state;
    pool = (struct pool){0};
    if (scoreboard_open(&pools.board) < 0)
        return -1;
    for (unsigned i = 0; i < SLOTS; i++) {
        workers[i] = (struct worker){.slot = i, .next = pool.workers};
        pool.workers = &workers[i];
        if (scoreboard_join(pools.board.fd, i, 0, &page, &hint) < 0)
            return -1;
        counts[i] = score_counts(page);
    }
    return 0;
}

static int close_pool(void **state)
{
    (void)state;
    scoreboard_close(&pools.board);
    return 0;
}

static void bury(unsigned slot)
{
    struct worker **link = &pool.workers;

    pool_totals_keep(&pools, &pool, slot);
    while (*link != &workers[slot])
        link = &(*link)->next;
    *link = workers[slot].next;
    scoreboard_wipe(&pools.board, slot);
}

static void test_sums(void **state)
{
    const struct score_counts *sum;

    (void)state;
    for (unsigned i = 0; i < SLOTS; i++) {
        score_add(&counts[i]->begun, 10);
        score_add(&counts[i]->results[0], 7 + i);
        score_add(&counts[i]->received, 1000);
        score_observe(&counts[i]->duration, 150, 2);
    }
    sum = pool_totals_sum(&pools, &pool);
    check_number("begun", (int64_t)sum->begun, 30);
    check_number("ended", (int64_t)sum->results[0], 24);
    check_number("bytes", (int64_t)sum->received, 3000);
    check_number("duration", (int64_t)sum->duration.counts[1], 6);
    check_number("sum", (int64_t)sum->duration.sum_usec, 900);
    bury(1);
    sum = pool_totals_sum(&pools, &pool);
    check_number("one is gone", (int64_t)sum->begun, 30);
    score_add(&counts[0]->begun, 1);
    bury(0);
    bury(2);
    sum = pool_totals_sum(&pools, &pool);
    check_number("all are gone", (int64_t)sum->begun, 31);
    check_number("all are gone", (int64_t)sum->duration.counts[1], 6);
}

static void test_never_falls(void **state)
{
    (void)state;
    score_add(&counts[0]->sent, 5000);
    check_number("before", (int64_t)pool_totals_sum(&pools, &pool)->sent, 5000);
    counts[0]->sent = 12;
    check_number("a liar", (int64_t)pool_totals_sum(&pools, &pool)->sent, 5000);
    bury(0);
    check_number("buried", (int64_t)pool_totals_sum(&pools, &pool)->sent, 5000);
    score_add(&counts[1]->sent, 6000);
    check_number("grown", (int64_t)pool_totals_sum(&pools, &pool)->sent, 6012);
}

// Sums of anything neither overflow nor hurt the others.
static void test_anything(void **state)
{
    const struct score_counts *sum;

    (void)state;
    score_add(&counts[1]->begun, 3);
    memset(counts[0], 0xff, sizeof(*counts[0]));
    sum = pool_totals_sum(&pools, &pool);
    assert_true(sum->begun == SCORE_MAX);
    memset(counts[2], 0xfe, sizeof(*counts[2]));
    bury(0);
    bury(2);
    sum = pool_totals_sum(&pools, &pool);
    assert_true(sum->begun == SCORE_MAX && sum->duration.sum_usec == SCORE_MAX);
}

static void test_full(void **state)
{
    struct service service = {.max_workers = 2};

    (void)state;
    pool.service = &service;
    pool.n_active = 2;
    pool.counts.spare = 1;
    pool_totals_note_full(&pool, 100);
    pool.counts.spare = 0;
    pool_totals_note_full(&pool, 200);
    check_number("from now on", (int64_t)pool.totals.full_usec, 0);
    pool_totals_note_full(&pool, 300);
    check_number("still", (int64_t)pool.totals.full_usec, 100);
    pool.counts.spare = 1;
    pool_totals_note_full(&pool, 450);
    check_number("until now", (int64_t)pool.totals.full_usec, 250);
    pool_totals_note_full(&pool, 900);
    check_number("no more", (int64_t)pool.totals.full_usec, 250);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sums, open_pool, close_pool),
        cmocka_unit_test_setup_teardown(test_never_falls, open_pool, close_pool),
        cmocka_unit_test_setup_teardown(test_anything, open_pool, close_pool),
        cmocka_unit_test_setup_teardown(test_full, open_pool, close_pool),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
