// SPDX-License-Identifier: MIT
// Real workers that enter and leave a source table, and are killed: anywhere, and after each of the
// six stores, for which source_table.c is part of this program. The test is their master.

static void stored(int step);
#define SOURCE_STORED(step) stored(step)
#include "../../../src/access/source_table.c"

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "source_ends.h"

#define WORKERS 16
#define STEPS   6
#ifdef __SANITIZE_ADDRESS__ // each fork takes much longer
#define RANDOM_KILLS 200
#define KILLS_A_STEP 10
#else
#define RANDOM_KILLS 1000
#define KILLS_A_STEP 50
#endif
#define PATIENCE (30 * USEC_PER_SEC)

// What a worker does, as its master says.
enum order { WORK, HOLD, STOP };

struct worker {
    _Atomic uint64_t held; // alone in its page, in tcpd
    _Atomic int order, dies_at;
    _Atomic uint64_t n_sessions;
};

static struct shared {
    struct source_set sets[1024 / SOURCE_WAYS];
    struct worker workers[WORKERS];
    _Atomic int inside[8];    // a source's connections, as the workers see them
    _Atomic unsigned n_above; // times that a limit was exceeded
} * shared;

static struct source_table table;
static const _Atomic uint64_t *helds[WORKERS];
static pid_t pids[WORKERS];
static unsigned n_unknown; // deaths after which nobody knew
static struct worker *self;
static uint64_t random_state = 88172645463325252U;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state >> 11;
}

static void stored(int step)
{
    if (self && atomic_load(&self->dies_at) == step)
        (void)kill(getpid(), SIGKILL);
}

// --- A worker ---
struct plan {
    uint32_t n_entries, n_sources;
    unsigned limit;
};

// Workers do not keep all processors busy, or each would have to wait for its turn to die.
static void rest(void)
{
    if (next_random() % 8 == 0)
        (void)usleep((useconds_t)(next_random() % 200));
}

static void serve(const struct plan *plan, struct source_hold *hold)
{
    const struct source_limits limits = {.connections = plan->limit};
    uint32_t source = (uint32_t)(next_random() % plan->n_sources);
    struct source_key key = key_of(source, false);
    enum source_verdict verdict = source_enter(&table, hold, &key, &limits, NOW);

    if (verdict == SOURCE_ENTERED && plan->n_sources <= ELEMENTS(shared->inside)) {
        if (atomic_fetch_add(&shared->inside[source], 1) >= (int)plan->limit)
            (void)atomic_fetch_add(&shared->n_above, 1);
        rest();
        (void)atomic_fetch_sub(&shared->inside[source], 1);
    }
    while (atomic_load(&self->order) == HOLD && hold->is_held)
        (void)usleep(1000);
    source_leave(&table, hold);
    (void)atomic_fetch_add(&self->n_sessions, 1);
    rest();
}

__attribute__((noreturn)) static void work(const struct plan *plan, unsigned slot)
{
    struct source_hold hold = {.held = &shared->workers[slot].held};

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    self = &shared->workers[slot];
    random_state ^= (uint64_t)getpid() << 20;
    while (atomic_load(&self->order) != STOP)
        serve(plan, &hold);
    _exit(0);
}

// --- Its master ---
static void start(const struct plan *plan, unsigned slot)
{
    shared->workers[slot].order = WORK;
    shared->workers[slot].dies_at = 0;
    pids[slot] = fork();
    if (pids[slot] == 0)
        work(plan, slot);
    check_true("fork", pids[slot] > 0);
}

static void start_all(const struct plan *plan)
{
    memset(shared, 0, sizeof(*shared));
    source_table_attach(&table, shared->sets, plan->n_entries, &secret);
    n_unknown = 0;
    for (unsigned i = 0; i < WORKERS; i++)
        start(plan, i);
}

static void bury(unsigned slot)
{
    int status;

    check_number("reaped", waitpid(pids[slot], &status, 0), pids[slot]);
    n_unknown += !source_bury(&table, shared->workers[slot].held);
    shared->workers[slot].held = 0;
    pids[slot] = 0;
}

static unsigned recount(void)
{
    struct source_recount ret;

    check_number("recount", source_recount(&table, helds, WORKERS, &ret), 0);
    check_number("nothing but the dead is missing", ret.too_few, 0);
    return ret.too_many;
}

static void stop_all(void)
{
    for (unsigned i = 0; i < WORKERS; i++)
        shared->workers[i].order = STOP;
    for (unsigned i = 0; i < WORKERS; i++)
        bury(i);
}

static void wait_for_sessions(unsigned slot, uint64_t n)
{
    uint64_t start_usec = base_now_usec(), end = shared->workers[slot].n_sessions + n;

    while (shared->workers[slot].n_sessions < end) {
        check_true("sessions go on", base_now_usec() - start_usec < PATIENCE);
        (void)usleep(50);
    }
}

// Exactly `limit` get in.
static void check_fresh(const struct plan *plan)
{
    const struct source_limits limits = {.connections = plan->limit};
    _Atomic uint64_t words[WORKERS] = {0};

    for (uint32_t source = 0; source < plan->n_sources && source < SOURCE_WAYS; source++) {
        struct source_hold holds[WORKERS] = {0};
        struct source_key key = key_of(source, false);

        for (unsigned i = 0; i <= plan->limit; i++) {
            holds[i].held = &words[i];
            check_number("fresh ones", source_enter(&table, &holds[i], &key, &limits, NOW),
                         i < plan->limit ? SOURCE_ENTERED : SOURCE_CONNECTIONS);
        }
        for (unsigned i = 0; i < plan->limit; i++)
            source_leave(&table, &holds[i]);
    }
}

// Whoever works, works: while nobody dies, recounts find nothing, however much comes and goes, and
// no limit is exceeded.
static void test_nobody_dies(void **state)
{
    const struct plan plan = {.n_entries = 1024, .n_sources = 3, .limit = 4};

    (void)state;
    start_all(&plan);
    for (int i = 0; i < 5000 || shared->workers[0].n_sessions < 1000; i++)
        check_number("all is right", recount(), 0);
    stop_all();
    check_number("limits", shared->n_above, 0);
    check_number("0", count_all(&table), 0);
    check_number("nobody died", n_unknown, 0);
}

// Two layouts: few sources, who are always there, and many in a set that is too small for them, so
// that entries are taken over all the time.
static const struct plan plans[] = {
    {.n_entries = 1024, .n_sources = 5, .limit = 6},
    {.n_entries = 2 * SOURCE_WAYS, .n_sources = 24, .limit = 6},
};

static void check_kills(const struct plan *plan, unsigned n_kills, unsigned n_steps)
{
    unsigned n_right = 0;

    start_all(plan);
    for (unsigned i = 0; i < n_kills; i++) {
        unsigned slot = (unsigned)(next_random() % WORKERS);

        if (n_steps > 0)
            shared->workers[slot].dies_at = (int)(i % n_steps) + 1;
        else
            (void)kill(pids[slot], SIGKILL);
        bury(slot);
        start(plan, slot);
        n_right += recount();
        check_true("not more than the dead", n_right <= n_unknown);
    }
    check_true("some deaths are between two steps", n_steps == 0 || n_unknown > n_kills / 3);
    stop_all();
    (void)recount();
    check_number("0 after one recount", count_all(&table), 0);
    check_number("and nothing in the next", recount(), 0);
    check_fresh(plan);
}

static void test_random_kills(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(plans); i++)
        check_kills(&plans[i], RANDOM_KILLS, 0);
}

static void test_kills_at_steps(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(plans); i++)
        check_kills(&plans[i], KILLS_A_STEP * STEPS, STEPS);
}

// Each step by itself: what the master knows, and what the count is then and after a recount.
static const struct {
    const char *name;
    bool is_known;
    unsigned count, then;
} steps[STEPS] = {
    {"pending", false, 0, 0}, {"counted", false, 1, 0},    {"held", true, 0, 0},
    {"leaving", false, 1, 0}, {"given back", false, 0, 0}, {"free", true, 0, 0},
};

static void test_each_step(void **state)
{
    const struct plan plan = {.n_entries = 1024, .n_sources = 1, .limit = 6};

    (void)state;
    for (int i = 0; i < STEPS; i++) {
        struct source_key key = key_of(0, false);

        memset(shared, 0, sizeof(*shared));
        source_table_attach(&table, shared->sets, plan.n_entries, &secret);
        n_unknown = 0;
        shared->workers[0].dies_at = i + 1;
        pids[0] = fork();
        if (pids[0] == 0)
            work(&plan, 0);
        bury(0);
        check_number(steps[i].name, n_unknown, !steps[i].is_known);
        check_number(steps[i].name, count_of(&table, &key), steps[i].count);
        (void)recount();
        check_number(steps[i].name, count_of(&table, &key), steps[i].then);
    }
}

// A quiet end in which some hold and some were killed: counts are those who live and hold.
static void test_holders(void **state)
{
    const struct plan plan = {.n_entries = 1024, .n_sources = 2, .limit = WORKERS};

    (void)state;
    start_all(&plan);
    for (unsigned i = 0; i < WORKERS; i++)
        wait_for_sessions(i, 1);
    for (unsigned i = 0; i < WORKERS; i++)
        shared->workers[i].order = HOLD;
    for (unsigned i = 0; i < WORKERS; i++)
        for (uint64_t begun = base_now_usec();
             source_held_state(shared->workers[i].held) != SOURCE_HELD;)
            check_true("all hold", base_now_usec() - begun < PATIENCE);
    for (unsigned i = 0; i < WORKERS; i += 2) {
        (void)kill(pids[i], SIGKILL);
        bury(i);
    }
    check_number("at once", count_all(&table), WORKERS / 2);
    check_number("nothing to put right", recount(), 0);
    for (unsigned i = 0; i < WORKERS; i += 2)
        start(&plan, i);
    stop_all();
    check_number("0", count_all(&table), 0);
}

static int set_up(void **state)
{
    (void)state;
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return -1;
    for (unsigned i = 0; i < WORKERS; i++)
        helds[i] = &shared->workers[i].held;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (unsigned i = 0; i < WORKERS; i++)
        if (pids[i] > 0 && kill(pids[i], SIGKILL) == 0)
            (void)waitpid(pids[i], NULL, 0);
    memset(pids, 0, sizeof(pids));
    return munmap(shared, sizeof(*shared));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_step, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nobody_dies, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_random_kills, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_kills_at_steps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_holders, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
