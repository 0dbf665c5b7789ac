// SPDX-License-Identifier: MIT
// reserve.c: the counts by table, then real processes that come and go without a master, are
// called, interrupted and killed.

#include "board/reserve.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

#define CHILDREN 150
#define PATIENCE (20 * USEC_PER_SEC)

static struct reserve *shared;
static _Atomic uint64_t *rounds;
static volatile sig_atomic_t stopping, parked;

static int set_up(void **state)
{
    char *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    (void)state;
    if (memory == MAP_FAILED)
        return -1;
    shared = (struct reserve *)(void *)memory;
    rounds = (_Atomic uint64_t *)(void *)(memory + 1024);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return munmap(shared, 4096);
}

static const struct {
    const char *name;
    int32_t waiting, parked;
    bool may_park, joins;
    int32_t waiting_then, parked_then;
} joins[] = {
    {"the first", 0, 0, true, true, 1, 0},
    {"the last but one", RESERVE_ABOVE - 1, 0, true, true, RESERVE_ABOVE, 0},
    {"one too many", RESERVE_ABOVE, 0, true, false, RESERVE_ABOVE, 1},
    {"others are parked", RESERVE_ABOVE, 5, true, false, RESERVE_ABOVE, 6},
    {"a count that lies low", -3, 0, true, true, -2, 0},
    {"one too many of a small pool", RESERVE_ABOVE, 0, false, true, RESERVE_ABOVE + 1, 0},
    {"a lie in a small pool", 1 << 20, 7, false, true, (1 << 20) + 1, 7},
};

static void test_join(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(joins); i++) {
        struct reserve reserve = {.waiting = joins[i].waiting, .parked = joins[i].parked};

        check_number(joins[i].name, reserve_join(&reserve, joins[i].may_park), joins[i].joins);
        check_number(joins[i].name, reserve.waiting, joins[i].waiting_then);
        check_number(joins[i].name, reserve.parked, joins[i].parked_then);
        check_number(joins[i].name, reserve.calls, 0);
    }
}

static const struct {
    const char *name;
    int32_t waiting, parked, left;
    int32_t waiting_then, parked_then;
    uint32_t calls;
} leaves[] = {
    {"enough wait", RESERVE_BELOW + 1, 9, RESERVE_BELOW + 9, RESERVE_BELOW, 9, 0},
    {"too few wait", RESERVE_BELOW, 100, 107, RESERVE_BELOW - 1 + RESERVE_CALL, 100 - RESERVE_CALL,
     RESERVE_CALL},
    {"fewer are parked", RESERVE_BELOW, 3, 10, RESERVE_BELOW + 2, 0, 3},
    {"nobody is parked", 1, 0, 0, 0, 0, 0},
    {"a count that lies low", -5, 2, -6 + 2, -4, 0, 2},
    {"parked below zero", 1, -2, -2, 0, -2, 0},
};

static void test_leave(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(leaves); i++) {
        struct reserve reserve = {.waiting = leaves[i].waiting, .parked = leaves[i].parked};
        int32_t left = reserve_leave(&reserve);

        check_true(leaves[i].name, left <= leaves[i].left);
        check_number(leaves[i].name, reserve.waiting, leaves[i].waiting_then);
        check_number(leaves[i].name, reserve.parked, leaves[i].parked_then);
        check_number(leaves[i].name, reserve.calls, leaves[i].calls);
    }
}

// What the counts were, and what looking at each worker gave, at one tick after the other.
static const struct {
    const char *name;
    int32_t waiting, parked; // the drift that is added before the look
    int32_t seen_waiting, seen_parked;
    int32_t waiting_then, parked_then;
} ticks[] = {
    {"all is right", 10, 90, 10, 90, 10, 90},
    {"two were killed in accept()", 2, 0, 10, 90, 12, 90},
    {"they still are", 0, 0, 10, 90, 10, 90},
    {"the look was not instant", 0, 0, 7, 93, 10, 90},
    {"it was again, the other way", 0, 0, 13, 87, 10, 90},
    {"and now a little less", 0, 0, 12, 88, 12, 88},
    {"a lie", 100, -88, 12, 88, 112, 0},
    {"put right", 0, 0, 12, 88, 12, 88},
    {"below zero", -20, 0, 12, 88, -8, 88},
    {"put right, too", 0, 0, 12, 88, 12, 88},
};

static void test_correct(void **state)
{
    struct reserve reserve = {.calls = 3};
    struct reserve_drift drift = {0};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(ticks); i++) {
        reserve.waiting += ticks[i].waiting;
        reserve.parked += ticks[i].parked;
        reserve_correct(&reserve, &drift, ticks[i].seen_waiting, ticks[i].seen_parked);
        check_number(ticks[i].name, reserve.waiting, ticks[i].waiting_then);
        check_number(ticks[i].name, reserve.parked, ticks[i].parked_then);
        check_number(ticks[i].name, reserve.calls, 3);
    }
    reserve_correct(&reserve, &drift, 100, 0);
    check_number("nobody is parked", reserve.calls, 0);
}

static void on_term(int signal)
{
    (void)signal;
    stopping = 1;
    if (parked)
        reserve_interrupt(shared);
}

// A worker without a listener: idle, then busy for no time at all.
static _Noreturn void come_and_go(void)
{
    struct sigaction term = {.sa_handler = on_term, .sa_flags = SA_RESTART};

    (void)sigaction(SIGTERM, &term, NULL);
    while (!stopping) {
        if (!reserve_join(shared, true)) {
            int r;

            parked = 1;
            r = reserve_wait(shared, &stopping);
            parked = 0;
            if (r < 0)
                break;
        }
        (void)atomic_fetch_add(rounds, 1);
        (void)reserve_leave(shared);
    }
    _exit(0);
}

// They all begin at once: those that run already would hold up the forks of the others.
static void start(pid_t *pids, size_t n)
{
    int gate[2];
    char none;

    check_number("pipe", pipe(gate), 0);
    for (size_t i = 0; i < n; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            (void)prctl(PR_SET_PDEATHSIG, SIGKILL); // set before the parent can go
            (void)close(gate[1]);
            if (read(gate[0], &none, 1) != 0)
                _exit(1);
            come_and_go();
        }
        check_true("fork", pids[i] > 1);
    }
    (void)close(gate[0]);
    (void)close(gate[1]); // the end of file for all
}

// Ends them all, in time: none sleeps on although it was told.
static void end(const char *row, const pid_t *pids, size_t n, int signal)
{
    uint64_t until = base_now_usec() + PATIENCE;
    size_t n_gone = 0;

    for (size_t i = 0; i < n; i++)
        check_number(row, kill(pids[i], signal), 0);
    while (n_gone < n && base_now_usec() < until) {
        pid_t pid = waitpid(-1, NULL, WNOHANG);

        n_gone += pid > 0;
        if (pid == 0)
            (void)usleep(1000); // a child's death has no event to wait for here but this
    }
    if (n_gone < n)
        for (size_t i = 0; i < n; i++)
            (void)kill(pids[i], SIGKILL);
    check_number(row, n_gone, n);
}

// Nobody is left behind, whatever the order of coming, parking, being called and told to stop.
static void test_storm(void **state)
{
    pid_t pids[CHILDREN];

    (void)state;
    for (int round = 0; round < 5; round++) {
        uint64_t until = base_now_usec() + PATIENCE, goal = 20000;

        memset(shared, 0, sizeof(*shared));
        atomic_store(rounds, 0);
        start(pids, CHILDREN);
        while (atomic_load(rounds) < goal && base_now_usec() < until)
            (void)usleep(1000);
        check_true("they go on", atomic_load(rounds) >= goal);
        end("a storm", pids, CHILDREN, SIGTERM);
        check_true("waiting", shared->waiting >= -CHILDREN && shared->waiting <= RESERVE_BELOW);
    }
}

static bool sleeps(pid_t pid)
{
    char path[32], text[64] = "";
    FILE *file;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    file = fopen(path, "re");
    check_true("its state", file != NULL);
    (void)!fgets(text, sizeof(text), file);
    (void)fclose(file);
    return strstr(text, ") S ") != NULL;
}

static void call_two(void)
{
    reserve_call(shared, 2);
}

// By the master, while somebody writes to the counts whatever keeps others asleep.
static void wake_two(void)
{
    shared->waiting = 1 << 20;
    shared->parked = 0;
    shared->calls = 0;
    reserve_wake(shared, 2);
}

// Who was called and comes back at once may take the other one's call, who comes all the same.
static const struct {
    const char *name;
    void (*wake)(void);
    uint64_t most;
} wakes[] = {{"called", call_two, 3}, {"woken", wake_two, 2}};

// After every one that waited was killed.
static void test_wake(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(wakes); i++) {
        pid_t pids[3];
        uint64_t until = base_now_usec() + PATIENCE;

        memset(shared, 0, sizeof(*shared));
        atomic_store(rounds, 0);
        shared->waiting = RESERVE_ABOVE;
        start(pids, ELEMENTS(pids));
        while (shared->parked < (int32_t)ELEMENTS(pids) && base_now_usec() < until)
            (void)usleep(1000);
        check_number("all are parked", shared->parked, ELEMENTS(pids));
        for (size_t k = 0; k < ELEMENTS(pids);)
            k += sleeps(pids[k]);
        check_number("none has gone round", atomic_load(rounds), 0);
        wakes[i].wake();
        while (atomic_load(rounds) < 2 && base_now_usec() < until)
            (void)usleep(1000);
        check_true(wakes[i].name, atomic_load(rounds) >= 2);
        check_true(wakes[i].name, atomic_load(rounds) <= wakes[i].most);
        end(wakes[i].name, pids, ELEMENTS(pids), SIGTERM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_join),
        cmocka_unit_test(test_leave),
        cmocka_unit_test(test_correct),
        cmocka_unit_test_setup_teardown(test_storm, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_wake, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
