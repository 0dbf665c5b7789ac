// SPDX-License-Identifier: MIT
// pool_steer.c: what a pool is to have, while it is paused or resized, and when it goes away.

#include "pool/pool.h"

#include "unit.h"

static const struct service echo = {.min_workers = 4, .spare_workers = 2, .max_workers = 8};
static struct listener ours = {.origin = LISTENER_BOUND};
static struct listener handed_over = {.origin = LISTENER_ACTIVATED};
static const struct service copies = {
    .min_workers = 3, .max_workers = 3, .accepts_itself = true, .leaves_clients = true};

static void check_limits(const char *row, const struct sizing_limits got, unsigned min,
                         unsigned spare, unsigned max)
{
    check_number(row, got.min, min);
    check_number(row, got.spare, spare);
    check_number(row, got.max, max);
}

static void test_pause(void **state)
{
    struct pool pool = {.service = &echo, .rest.n = 1, .floor = 2};

    (void)state;
    check_limits("before", pool_limits(&pool), 3, 2, 8);
    pool_pause(&pool, 1000);
    assert_true(pool_is_paused(&pool));
    check_limits("paused", pool_limits(&pool), 0, 0, 0);
    check_limits("paused, as it is shown", pool_limits_shown(&pool), 4, 2, 8);
    pool_pause(&pool, 2000);
    assert_int_equal(pool.orders.paused_usec, 1000);
    pool_resume(&pool);
    assert_false(pool_is_paused(&pool));
    check_limits("resumed", pool_limits(&pool), 4, 2, 8);
    assert_int_equal(pool.bucket.granted, 4);
}

// What is in the queue is served, and no worker is started for anything else.
static void test_closing(void **state)
{
    struct pool pool = {
        .service = &echo, .listener = &ours, .closing = true, .orders.paused_usec = 1};
    struct pool program = {
        .service = &copies, .listener = &ours, .closing = true, .orders.paused_usec = 1};

    (void)state;
    assert_false(pool_is_paused(&pool));
    check_limits("it goes away", pool_limits(&pool), 0, 0, 8);
    check_limits("a program that accepts", pool_limits(&program), 3, 0, 3);
    pool.listener = program.listener = &handed_over; // whose queue stays
    check_limits("systemd's goes away", pool_limits(&pool), 0, 0, 0);
    check_limits("a program at systemd's", pool_limits(&program), 0, 0, 0);
    program.closing = false;
    check_limits("a program, paused", pool_limits(&program), 0, 0, 0);
}

static void test_resize(void **state)
{
    const struct sizing_limits other = {.min = 1, .spare = 0, .max = 20};
    struct pool pool = {.service = &echo, .adjustment = 3, .n_active = 5};

    (void)state;
    check_limits("before", pool_limits(&pool), 7, 2, 8);
    pool_resize(&pool, &other);
    assert_true(pool.orders.is_resized);
    check_limits("resized", pool_limits(&pool), 1, 0, 20);
    check_limits("its bounds", pool_bounds(&pool), 1, 0, 20);
    assert_int_equal(pool.widest, 8);
    pool.adjustment = -1;
    check_limits("not below 1", pool_limits(&pool), 0, 0, 20);
    pool_resize(&pool, NULL);
    assert_false(pool.orders.is_resized);
    check_limits("as configured", pool_limits(&pool), 4, 2, 8);
    assert_int_equal(pool.widest, 20);
}

// Paused while it is resized: it is resized when it is resumed.
static void test_both(void **state)
{
    const struct sizing_limits other = {.min = 2, .spare = 1, .max = 3};
    struct pool pool = {.service = &echo};

    (void)state;
    pool_pause(&pool, 1);
    pool_resize(&pool, &other);
    check_limits("paused", pool_limits(&pool), 0, 0, 0);
    check_limits("as it is shown", pool_limits_shown(&pool), 2, 1, 3);
    pool_resume(&pool);
    check_limits("resumed", pool_limits(&pool), 2, 1, 3);
}

static void test_full(void **state)
{
    const struct sizing_limits other = {.min = 1, .spare = 0, .max = 2};
    struct pool pool = {.service = &echo, .n_active = 2};

    (void)state;
    assert_false(pool_is_full(&pool));
    pool_resize(&pool, &other);
    assert_true(pool_is_full(&pool));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pause), cmocka_unit_test(test_closing), cmocka_unit_test(test_resize),
        cmocka_unit_test(test_both),  cmocka_unit_test(test_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
