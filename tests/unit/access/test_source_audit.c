// SPDX-License-Identifier: MIT
// source_audit.c, source_list.c: what is given back for a dead worker, what a recount puts right
// and what it leaves alone, what is shown; and that nothing in the table is believed.

#include "source_ends.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define ENTRIES 1024
#define WORKERS 32

static struct source_set sets[ENTRIES / SOURCE_WAYS];
static struct source_table table;
static _Atomic uint64_t words[WORKERS];
static struct source_hold holds[WORKERS];
static const _Atomic uint64_t *helds[WORKERS];
static const struct source_limits limits = {
    .connections = 10, .penalty_min_nsec = 5 * SEC, .penalty_max_nsec = 60 * SEC};

static int set_up(void **state)
{
    (void)state;
    memset(sets, 0, sizeof(sets));
    source_table_attach(&table, sets, ENTRIES, &secret);
    for (size_t i = 0; i < WORKERS; i++) {
        words[i] = 0;
        holds[i] = (struct source_hold){.held = &words[i]};
        helds[i] = &words[i];
    }
    return 0;
}

static void enter(unsigned worker, uint32_t source)
{
    struct source_key key = key_of(source, source % 2);

    check_number("enter", source_enter(&table, &holds[worker], &key, &limits, NOW), SOURCE_ENTERED);
}

static unsigned count(uint32_t source)
{
    struct source_key key = key_of(source, source % 2);

    return count_of(&table, &key);
}

static struct source_recount recount(size_t n_workers)
{
    struct source_recount ret;

    check_number("recount", source_recount(&table, helds, n_workers, &ret), 0);
    return ret;
}

// Two workers serve one source; one of them dies, and its page said this.
static const struct {
    const char *name;
    unsigned state;
    uint64_t extra; // more of the word: bits that are none of an entry's
    bool is_known;
    unsigned left;
} deaths[] = {
    {"free", SOURCE_FREE, 0, true, 2},
    {"pending", SOURCE_PENDING, 0, false, 2},
    {"claiming", SOURCE_CLAIMING, 0, false, 2},
    {"held", SOURCE_HELD, 0, true, 1},
    {"leaving", SOURCE_LEAVING, 0, false, 2},
    {"no state", 5, 0, false, 2},
    {"no state, too", 7, 0, false, 2},
    {"an entry that is not there", SOURCE_HELD, ENTRIES, true, 1},
    {"another one", SOURCE_HELD, 512 * ENTRIES, true, 1},
};

static void test_bury(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(deaths); i++) {
        uint64_t held;

        (void)set_up(NULL);
        enter(0, 1);
        enter(1, 1);
        held = source_held(77, deaths[i].state, holds[0].entry) | deaths[i].extra;
        check_number(deaths[i].name, source_bury(&table, held), deaths[i].is_known);
        check_number(deaths[i].name, count(1), deaths[i].left);
    }
}

static void test_bury_below_zero(void **state)
{
    uint64_t held;

    (void)state;
    enter(0, 1);
    held = words[0];
    check_true("held", source_bury(&table, held) && source_bury(&table, held));
    check_number("0", count_all(&table), 0);
    check_true("an entry that is free", source_bury(&table, source_held(1, SOURCE_HELD, 3)));
    check_number("0", count_all(&table), 0);
}

// What the one before had to wait for may not be left to the next.
static void test_bury_a_claim(void **state)
{
    (void)state;
    enter(0, 2);
    check_true("offence", source_offend(&table, &holds[0], 30 * SEC, &limits, NOW));
    check_true("claiming", !source_bury(&table, source_held(9, SOURCE_CLAIMING, holds[0].entry)));
    check_number("forgiven", sets[holds[0].entry / SOURCE_WAYS].ban[holds[0].entry % SOURCE_WAYS],
                 0);
}

// Three workers serve source 1, one serves source 2; then a count is changed, or a page.
static const struct {
    const char *name;
    int add;             // to the count of source 1
    unsigned held_state; // of worker 0
    unsigned want, entries, many, few;
} wrongs[] = {
    {"all is right", 0, SOURCE_HELD, 3, 0, 0, 0},
    {"one too many", 1, SOURCE_HELD, 3, 1, 1, 0},
    {"many too many", 5000, SOURCE_HELD, 3, 1, 5000, 0},
    {"one too few", -1, SOURCE_HELD, 3, 1, 0, 1},
    {"none", -3, SOURCE_HELD, 3, 1, 0, 3},
    {"one arrives, counted", 0, SOURCE_PENDING, 3, 0, 0, 0},
    {"one arrives, not counted", -1, SOURCE_PENDING, 2, 0, 0, 0},
    {"one arrives, too many", 1, SOURCE_PENDING, 3, 1, 1, 0},
    {"one arrives, too few", -2, SOURCE_PENDING, 2, 1, 0, 1},
    {"one claims", 0, SOURCE_CLAIMING, 3, 0, 0, 0},
    {"one leaves, not yet given back", 0, SOURCE_LEAVING, 3, 0, 0, 0},
    {"one leaves, given back", -1, SOURCE_LEAVING, 2, 0, 0, 0},
    {"one has left, not given back", 0, SOURCE_FREE, 2, 1, 1, 0},
    {"one has left, given back", -1, SOURCE_FREE, 2, 0, 0, 0},
    {"no state", 0, 6, 3, 0, 0, 0},
};

static void test_recount(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(wrongs); i++) {
        struct source_recount got;

        (void)set_up(NULL);
        for (unsigned n = 0; n < 3; n++)
            enter(n, 1);
        enter(3, 2);
        sets[holds[0].entry / SOURCE_WAYS].count[holds[0].entry % SOURCE_WAYS] +=
            (uint64_t)(int64_t)wrongs[i].add;
        words[0] = source_held(1, wrongs[i].held_state, holds[0].entry);
        got = recount(4);
        check_number(wrongs[i].name, count(1), wrongs[i].want);
        check_number(wrongs[i].name, count(2), 1);
        check_number(wrongs[i].name, got.n_entries, wrongs[i].entries);
        check_number(wrongs[i].name, got.too_many, wrongs[i].many);
        check_number(wrongs[i].name, got.too_few, wrongs[i].few);
        got = recount(4);
        check_number("once is enough", got.n_entries, 0);
    }
}

// The dead are not among the workers any more.
static void test_recount_after_deaths(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 8; n++)
        enter(n, n);
    check_number("the last four are dead", recount(4).n_entries, 4);
    for (uint32_t n = 0; n < 8; n++)
        check_number("each", count(n), n < 4);
    check_number("nobody lives", recount(0).n_entries, 4);
    check_number("0", count_all(&table), 0);
}

// A count without a source is nobody's.
static void test_recount_of_garbage(void **state)
{
    (void)state;
    sets[3].count[5] = 17;
    sets[4].count[6] = UINT64_MAX;
    enter(0, 2);
    check_number("two", recount(1).n_entries, 2);
    check_number("one connection", count_all(&table), 1);
    check_number("free", sets[3].count[5], 0);
}

static void test_list(void **state)
{
    struct source_entry found[4];
    size_t n_used = 0;
    struct source_key key = key_of(3, true), second = key_of(2, false);
    unsigned worker = 0;

    (void)state;
    for (uint32_t source = 0; source < 6; source++) // 0: one connection, 3: four
        for (uint32_t n = 0; n <= (source < 4 ? source : 0); n++)
            enter(worker++, source);
    check_true("an offence", source_offend(&table, &holds[0], 9 * SEC, &limits, NOW));
    check_number("of all", source_list(&table, &lengths, &limits, NOW, found, 4, &n_used), 4);
    check_number("of all", n_used, 6);
    check_number("most first", found[0].connections, 4);
    check_true("most first", found[0].is_known && memcmp(&found[0].key, &key, sizeof(key)) == 0);
    check_number("second", found[1].connections, 3);
    check_true("second", found[1].is_known && memcmp(&found[1].key, &second, sizeof(key)) == 0);
    check_number("third", found[2].connections, 2);
    check_number("fourth, for its penalty", found[3].ban_nsec, NOW + 9 * SEC);

    sets[holds[worker - 1].entry / SOURCE_WAYS].prefix[holds[worker - 1].entry % SOURCE_WAYS][0]++;
    check_true("a prefix that is not its own",
               !source_held_by(&table, words[worker - 1], &lengths).is_known);
    check_true("its own", source_held_by(&table, words[0], &lengths).is_known);
    check_number("nobody's", source_held_by(&table, 0, &lengths).connections, 0);
    for (unsigned i = 0; i < worker; i++)
        source_leave(&table, &holds[i]);
    check_number("a penalty alone", source_list(&table, &lengths, &limits, NOW, found, 4, &n_used),
                 1);
    check_number("it is over",
                 source_list(&table, &lengths, &limits, NOW + 9 * SEC, found, 4, &n_used), 0);
}

static void test_pardon(void **state)
{
    (void)state;
    for (uint32_t source = 0; source < 4; source++) {
        enter(source, source);
        check_true("blame", source_blame(&table, words[source], 30 * SEC, &limits, NOW) == true);
        source_leave(&table, &holds[source]);
    }
    for (uint32_t source = 0; source < 4; source++) {
        struct source_key key = key_of(source, source % 2);
        struct source_entry entry = source_look(&table, &key);

        check_number("punished", source_judge(&entry, &limits, NOW), SOURCE_PENALTY);
        if (source == 0)
            check_number("one", source_pardon(&table, &key, &limits, NOW), 1);
        else if (source == 1)
            check_number("all", source_pardon(&table, NULL, &limits, NOW), 3);
        entry = source_look(&table, &key);
        check_number("not any more", source_judge(&entry, &limits, NOW),
                     source <= 1 ? SOURCE_ENTERED : SOURCE_PENALTY);
        if (source == 1)
            break;
    }
    check_number("none is left", source_pardon(&table, NULL, &limits, NOW), 0);
    check_number("who holds nothing is not blamed",
                 source_blame(&table, words[0], 30 * SEC, &limits, NOW), false);
}

// --- A worker that writes random bytes over the table and its own page ---
struct scribbled {
    struct source_set sets[ENTRIES / SOURCE_WAYS];
    _Atomic uint64_t words[WORKERS];
    _Atomic unsigned n_rounds;
};

__attribute__((noreturn)) static void scribble(struct scribbled *shared)
{
    uint64_t random = 88172645463325252U;

    for (;;) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        shared->sets[random >> 7 & (ENTRIES / SOURCE_WAYS - 1)].count[random & 7] = random;
        shared->sets[random >> 17 & (ENTRIES / SOURCE_WAYS - 1)].ban[random & 7] = random;
        shared->sets[random >> 27 & (ENTRIES / SOURCE_WAYS - 1)].prefix[random & 7][0] = random;
        shared->words[WORKERS - 1] = random * 2862933555777941757U;
        shared->n_rounds++;
    }
}

static void audit(struct scribbled *shared)
{
    struct source_entry found[20];
    struct source_recount ret;
    size_t n_used;

    check_number("recount", source_recount(&table, helds, WORKERS, &ret), 0);
    (void)source_bury(&table, shared->words[WORKERS - 1]);
    (void)source_blame(&table, shared->words[WORKERS - 1], SEC, &limits, NOW);
    (void)source_held_by(&table, shared->words[WORKERS - 1], &lengths);
    check_true("listed", source_list(&table, &lengths, &limits, NOW, found, 20, &n_used) <= 20);
    check_true("listed", n_used <= ENTRIES);
    (void)source_pardon(&table, NULL, &limits, NOW);
}

static void test_scribbler(void **state)
{
    struct scribbled *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
                                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status;
    pid_t pid;

    (void)state;
    check_true("memory", shared != MAP_FAILED);
    source_table_attach(&table, shared->sets, ENTRIES, &secret);
    for (size_t i = 0; i < WORKERS; i++)
        helds[i] = &shared->words[i];
    for (size_t i = 0; i < WORKERS; i++)
        holds[i] = (struct source_hold){.held = &shared->words[i]};
    pid = fork();
    if (pid == 0)
        scribble(shared);
    check_true("fork", pid > 0);
    for (int i = 0; i < 1000 || shared->n_rounds < 1000000; i++) {
        struct source_key key = key_of((uint32_t)i, i % 2);

        audit(shared);
        (void)source_enter(&table, &holds[0], &key, &limits, NOW);
        source_leave(&table, &holds[0]);
    }
    check_number("kill", kill(pid, SIGKILL), 0);
    check_number("wait", waitpid(pid, &status, 0), pid);

    // Its word goes with it; one recount, and the counts are right again.
    shared->words[WORKERS - 1] = 0;
    check_true("there was much to put right", recount(WORKERS).n_entries > 100);
    check_number("healed", count_all(&table), 0);
    enter(1, 1);
    enter(2, 1);
    check_number("healed", count(1), 2);
    check_number("nothing more", recount(WORKERS).n_entries, 0);
    check_number("munmap", munmap(shared, sizeof(*shared)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_bury, set_up),
        cmocka_unit_test_setup(test_bury_below_zero, set_up),
        cmocka_unit_test_setup(test_bury_a_claim, set_up),
        cmocka_unit_test_setup(test_recount, set_up),
        cmocka_unit_test_setup(test_recount_after_deaths, set_up),
        cmocka_unit_test_setup(test_recount_of_garbage, set_up),
        cmocka_unit_test_setup(test_list, set_up),
        cmocka_unit_test_setup(test_pardon, set_up),
        cmocka_unit_test_setup(test_scribbler, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
