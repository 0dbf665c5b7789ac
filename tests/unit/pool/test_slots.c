// SPDX-License-Identifier: MIT
// slots.c: found by pid whatever the pids, nothing found that is gone, slots used again. Signals go
// to children that this test has forked, to nothing else.

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "pool/slots.h"
#include "unit.h"

#define N 5000

static struct worker *workers[SCOREBOARD_SLOTS];

// Pids in a row, those of one bucket, and some far apart: up to the kernel's highest, 2^22.
static const struct {
    const char *name;
    unsigned first, step, n;
} series[] = {
    {"in a row", 2, 1, N},
    {"in a row, high", 4194304 - N, 1, N},
    {"one bucket", 16384 + 7, 16384, 255},
    {"one bucket, of 2 ^ 12", 5, 4096, 1000},
    {"apart", 1000, 811, N},
    {"beyond the kernel's", 2147483647 - N, 1, N},
};

static pid_t pid_of(size_t row, unsigned i)
{
    return (pid_t)(series[row].first + i * series[row].step);
}

static void fill_all(struct slots *slots, size_t row)
{
    for (unsigned i = 0; i < series[row].n; i++) {
        workers[i] = slots_reserve(slots);
        check_true(series[row].name, workers[i] != NULL);
        check_number(series[row].name, workers[i]->pid, 0);
        check_number(series[row].name, workers[i]->retire_usec, USEC_NEVER);
        slots_fill(slots, workers[i], pid_of(row, i));
        workers[i]->generation = i;
    }
}

// Takes every third out and looks for all.
static void check_release(struct slots *slots, size_t row)
{
    for (unsigned i = 0; i < series[row].n; i += 3)
        slots_release(slots, workers[i]);
    for (unsigned i = 0; i < series[row].n; i++) {
        struct worker *found = slots_find(slots, pid_of(row, i));

        if (found != (i % 3 == 0 ? NULL : workers[i]))
            fail_msg("%s: pid %d, number %u, finds another worker", series[row].name,
                     (int)pid_of(row, i), i);
    }
}

static void test_find(void **state)
{
    (void)state;
    for (size_t row = 0; row < ELEMENTS(series); row++) {
        struct slots *slots = slots_new();

        assert_non_null(slots);
        check_true(series[row].name, slots_find(slots, pid_of(row, 0)) == NULL);
        fill_all(slots, row);
        for (unsigned i = 0; i < series[row].n; i++) {
            struct worker *found = slots_find(slots, pid_of(row, i));

            check_true(series[row].name, found == workers[i]);
            check_number(series[row].name, found->generation, i);
            check_number(series[row].name, found->pid, pid_of(row, i));
        }
        check_true(series[row].name, slots_find(slots, (pid_t)series[row].first - 1) == NULL);
        check_release(slots, row);
        assert_null(slots_free(slots));
    }
}

// Slots have numbers of their own, from 0 on without gaps; freed ones come back clean.
static void test_reuse(void **state)
{
    struct slots *slots = slots_new();
    struct worker *again;

    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        workers[i] = slots_reserve(slots);
        check_number("number", workers[i]->slot, i);
        slots_fill(slots, workers[i], (pid_t)(100 + i));
    }
    workers[4]->generation = 7;
    workers[4]->draining = true;
    slots_release(slots, workers[4]);
    check_true("released", slots_find(slots, 104) == NULL);
    again = slots_reserve(slots);
    check_true("reused", again == workers[4]);
    check_number("its number", again->slot, 4);
    check_number("clean", again->generation + again->draining + (unsigned)again->pid, 0);
    check_true("not found without a child", slots_find(slots, 0) == NULL);
    slots_release(slots, again); // no child was made: fork failed
    check_true("reused once more", slots_reserve(slots) == workers[4]);
    slots_fill(slots, workers[4], 105 + 16384);
    check_true("a neighbour of the bucket", slots_find(slots, 105) == workers[5]);
    check_true("itself", slots_find(slots, 105 + 16384) == workers[4]);
    assert_null(slots_free(slots));
    assert_null(slots_free(NULL));
}

// A master's years in short: children come and go, pids are used again.
static void test_churn(void **state)
{
    struct slots *slots = slots_new();
    unsigned oldest = 0;

    (void)state;
    for (unsigned i = 0; i < 200000; i++) {
        struct worker *worker = slots_reserve(slots);

        check_true("never full", worker != NULL && worker->slot <= 300);
        slots_fill(slots, worker, (pid_t)(300 + i % 32000));
        if (i - oldest < 300)
            continue;
        worker = slots_find(slots, (pid_t)(300 + oldest++ % 32000));
        check_true("the oldest is there", worker != NULL);
        slots_release(slots, worker);
    }
    assert_null(slots_free(slots));
}

static void test_full(void **state)
{
    struct slots *slots = slots_new();

    (void)state;
    for (unsigned i = 0; i < SCOREBOARD_SLOTS; i++) {
        workers[i] = slots_reserve(slots);
        check_true("reserved", workers[i] != NULL && workers[i]->slot == i);
        slots_fill(slots, workers[i], (pid_t)(i + 2));
    }
    check_true("full", slots_reserve(slots) == NULL);
    check_true("found at the end",
               slots_find(slots, SCOREBOARD_SLOTS + 1) == workers[SCOREBOARD_SLOTS - 1]);
    slots_release(slots, workers[77]);
    check_true("one is free", slots_reserve(slots) == workers[77]);
    check_true("full again", slots_reserve(slots) == NULL);
    assert_null(slots_free(slots));
}

// Signal 0 reaches nobody: were one of these pids taken, the answer would be 0 or EPERM.
static void test_signal_refuses(void **state)
{
    static const pid_t pids[] = {1, 0, -1, -2, INT32_MIN};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(pids); i++) {
        const struct worker worker = {.pid = pids[i]};
        char row[32];

        (void)snprintf(row, sizeof(row), "pid %d", (int)pids[i]);
        check_number(row, slots_signal(&worker, 0), -ESRCH);
    }
}

static void test_signal(void **state)
{
    struct slots *slots = slots_new();
    struct worker *worker = slots_reserve(slots);
    pid_t pid = fork();
    int status = 0;

    (void)state;
    if (pid == 0)
        for (;;)
            (void)pause();
    assert_true(pid > 1);
    slots_fill(slots, worker, pid);
    check_number("it is there", slots_signal(worker, 0), 0);
    check_number("no such signal", slots_signal(worker, 1000), -EINVAL);
    check_number("KILL", slots_signal(worker, SIGKILL), 0);
    check_number("reaped", waitpid(pid, &status, 0), pid);
    check_true("by KILL", WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    slots_release(slots, slots_find(slots, pid));
    check_number("a free slot is nobody", slots_signal(worker, 0), -ESRCH);
    assert_null(slots_free(slots));
}

// The workers in the order of their slots, whatever has gone between them.
static void test_next(void **state)
{
    struct slots *slots = slots_new();

    (void)state;
    check_true("of none", slots_next(slots, 0) == NULL);
    for (unsigned i = 0; i < 10; i++) {
        workers[i] = slots_reserve(slots);
        slots_fill(slots, workers[i], (pid_t)(200 + i));
    }
    for (unsigned i = 0; i < 10; i++)
        check_true("each", slots_next(slots, i) == workers[i]);
    slots_release(slots, workers[0]);
    slots_release(slots, workers[4]);
    slots_release(slots, workers[5]);
    slots_release(slots, workers[9]);
    check_true("the first", slots_next(slots, 0) == workers[1]);
    check_true("behind a gap", slots_next(slots, 4) == workers[6]);
    check_true("the last", slots_next(slots, 8) == workers[8]);
    check_true("behind the last", slots_next(slots, 9) == NULL);
    check_true("behind all", slots_next(slots, SCOREBOARD_SLOTS) == NULL);
    (void)slots_reserve(slots); // whose child is not made yet
    check_true("a slot without a child", slots_next(slots, 9) == NULL);
    assert_null(slots_free(slots));
}

static volatile sig_atomic_t ordered;

static void on_order(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    ordered = info->si_code == SI_QUEUE ? info->si_value.sival_int : -1;
}

static void test_order(void **state)
{
    struct sigaction action = {.sa_sigaction = on_order, .sa_flags = SA_SIGINFO};
    struct worker worker = {.pid = getpid()};

    (void)state;
    assert_int_equal(sigaction(SIGRTMIN, &action, NULL), 0);
    check_number("to a worker", slots_order(&worker, 0x40000007), 0);
    check_number("what came", ordered, 0x40000007);
    worker.pid = 1;
    check_number("to nobody", slots_order(&worker, 1), -ESRCH);
    worker.pid = 0;
    check_number("to a free slot", slots_order(&worker, 1), -ESRCH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),           cmocka_unit_test(test_reuse),
        cmocka_unit_test(test_churn),          cmocka_unit_test(test_full),
        cmocka_unit_test(test_signal_refuses), cmocka_unit_test(test_signal),
        cmocka_unit_test(test_next),           cmocka_unit_test(test_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
