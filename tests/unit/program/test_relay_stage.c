// SPDX-License-Identifier: MIT
// relay.c over a stage that takes what the far end writes at once, and sends it later: it is on its
// way to the client until the stage has sent it.

#include "relay_ends.h"

#define MS USEC_PER_MSEC

static uint8_t text[4 * 1024 * 1024];

static struct keeper {
    struct stage stage;
    size_t n_kept;
    unsigned n_waits;   // flushes that fail before one does not
    unsigned n_flushes; // so far
    uint64_t wake_usec;
} keeper;

static ssize_t keeper_take(struct stage *stage, void *data, size_t size, int flags, bool *ret_last)
{
    (void)stage;
    *ret_last = false;
    return keeper.stage.below.take(keeper.stage.below.cookie, data, size, flags);
}

static ssize_t keeper_give(struct stage *stage, const void *data, size_t size, int flags,
                           bool is_last)
{
    (void)stage;
    (void)data;
    (void)flags;
    (void)is_last;
    keeper.n_kept += size;
    return (ssize_t)size;
}

static int keeper_flush(struct stage *stage, int flags)
{
    (void)stage;
    (void)flags;
    if (keeper.n_kept > 0 && keeper.n_flushes++ < keeper.n_waits) {
        errno = EAGAIN;
        return -1;
    }
    keeper.n_kept = 0;
    return 0;
}

static short keeper_wants(const struct stage *stage, short events)
{
    (void)stage;
    return keeper.n_kept > 0 ? (short)(events | POLLOUT) : events;
}

static uint64_t keeper_wake(const struct stage *stage)
{
    (void)stage;
    return keeper.wake_usec;
}

static const struct stage_ops ops = {.name = "keeper",
                                     .take = keeper_take,
                                     .give = keeper_give,
                                     .flush = keeper_flush,
                                     .wants = keeper_wants,
                                     .wake_usec = keeper_wake};

static void open_keeper(struct bench *bench, struct deadlines deadlines, unsigned n_waits)
{
    bench_open(bench, PAIR_TCP, deadlines);
    keeper = (struct keeper){.stage = {.ops = &ops, .below = session_socket(&bench->session)},
                             .n_waits = n_waits,
                             .wake_usec = USEC_NEVER};
    bench->session.stage = &keeper.stage;
    bench_text(bench, RELAY_FAR, text, 10);
    bench->ends[RELAY_CLIENT].holds = true;
}

// The program's last words are sent, though the stage has taken all of them before.
static void test_finish(void **state)
{
    struct bench bench;

    (void)state;
    open_keeper(&bench, (struct deadlines){.send_usec = 5000 * MS}, 5);
    end_send(&bench.ends[RELAY_FAR]);
    relay_finish(&bench.relay);
    assert_int_equal(bench.session.result, SESSION_OK);
    assert_int_equal(bench.session.bytes_out, 10);
    assert_int_equal(keeper.n_kept, 0);
    bench_close(&bench);
}

static void fill_client(const struct bench *bench)
{
    while (send(bench->near.server, text, sizeof(text), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
        ;
}

// A client that takes nothing has send_timeout for that, and is waited for, without a look at the
// stage for what it wants to read.
static void test_finish_is_bounded(void **state)
{
    struct bench bench;

    (void)state;
    open_keeper(&bench, (struct deadlines){.send_usec = 100 * MS}, 1000000);
    keeper.wake_usec = 0;
    fill_client(&bench);
    end_send(&bench.ends[RELAY_FAR]);
    relay_finish(&bench.relay);
    assert_int_equal(bench.session.result, SESSION_SEND_TIMEOUT);
    assert_true(keeper.n_flushes < 10);
    bench_close(&bench);
}

// While the program runs, too.
static void test_send_timeout(void **state)
{
    struct bench bench;

    (void)state;
    open_keeper(&bench, (struct deadlines){.send_usec = 100 * MS}, 1000000);
    bench.ends[RELAY_FAR].holds = true;
    fill_client(&bench);
    bench_run("kept", &bench);
    assert_int_equal(bench.session.result, SESSION_SEND_TIMEOUT);
    bench_close(&bench);
}

// ... but not once all is sent, whoever has sent it.
static void test_no_send_timeout(void **state)
{
    struct bench bench;

    (void)state;
    open_keeper(&bench, (struct deadlines){.send_usec = 100 * MS, .session_usec = 300 * MS}, 3);
    bench.ends[RELAY_FAR].holds = true;
    bench_run("sent", &bench);
    assert_int_equal(bench.session.result, SESSION_TIMEOUT);
    assert_int_equal(keeper.n_kept, 0);
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finish),
        cmocka_unit_test(test_finish_is_bounded),
        cmocka_unit_test(test_send_timeout),
        cmocka_unit_test(test_no_send_timeout),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
