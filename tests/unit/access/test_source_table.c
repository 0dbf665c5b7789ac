// SPDX-License-Identifier: MIT
// source_table.c, source_penalty.c: limits, rates and penalties by table, in a table of one set for
// IPv4 and one for IPv6; who has to make room for whom.

#include "access/source_table.h"

#include "source_ends.h"

#define ENTRIES (2 * SOURCE_WAYS)

static struct source_set sets[2];
static struct source_table table;
static _Atomic uint64_t words[64];
static struct source_hold holds[64];

static int set_up(void **state)
{
    (void)state;
    memset(sets, 0, sizeof(sets));
    source_table_attach(&table, sets, ENTRIES, &secret);
    for (size_t i = 0; i < ELEMENTS(holds); i++) {
        words[i] = 0;
        holds[i] = (struct source_hold){.held = &words[i]};
    }
    return 0;
}

static enum source_verdict enter(unsigned worker, uint32_t source,
                                 const struct source_limits *limits, uint64_t now_nsec)
{
    struct source_key key = key_of(source, false);

    return source_enter(&table, &holds[worker], &key, limits, now_nsec);
}

static unsigned count(uint32_t source)
{
    struct source_key key = key_of(source, false);

    return count_of(&table, &key);
}

static const struct {
    const char *name;
    uint32_t wanted;
    unsigned workers;
    bool remembers;
    uint32_t want;
} sizes[] = {
    {"few workers", 0, 64, false, 1024},
    {"256 workers", 0, 256, false, 1024},
    {"257 workers", 0, 257, false, 2048},
    {"few workers and a rate", 0, 64, true, 8192},
    {"many workers and a rate", 0, 10000, true, 65536},
    {"all the workers there are", 0, 65536, false, 262144},
    {"as wanted", 4096, 64, true, 4096},
    {"a little more than wanted", 5000, 64, true, 8192},
    {"the least", 1024, 60000, true, 1024},
    {"the most", 1048576, 1, false, 1048576},
};

static void test_sizes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(sizes); i++)
        check_number(sizes[i].name,
                     source_table_entries(sizes[i].wanted, sizes[i].workers, sizes[i].remembers),
                     sizes[i].want);
    check_number("40 bytes an entry", source_table_bytes(1024), 40 * 1024);
}

// Each row is one event of one worker, and what the source has then.
enum event { ENTER, LEAVE };

static const struct {
    const char *name;
    enum event event;
    unsigned worker;
    uint32_t source;
    enum source_verdict want;
    unsigned count;
} events[] = {
    {"the first", ENTER, 0, 1, SOURCE_ENTERED, 1},
    {"a second one", ENTER, 1, 1, SOURCE_ENTERED, 2},
    {"another source", ENTER, 2, 2, SOURCE_ENTERED, 1},
    {"one too many", ENTER, 3, 1, SOURCE_CONNECTIONS, 2},
    {"the other source has room", ENTER, 3, 2, SOURCE_ENTERED, 2},
    {"one leaves", LEAVE, 0, 1, SOURCE_ENTERED, 1},
    {"there is room again", ENTER, 0, 1, SOURCE_ENTERED, 2},
    {"and none", ENTER, 4, 1, SOURCE_CONNECTIONS, 2},
    {"who was refused holds nothing", LEAVE, 4, 1, SOURCE_ENTERED, 2},
    {"all leave", LEAVE, 0, 1, SOURCE_ENTERED, 1},
    {"the last one", LEAVE, 1, 1, SOURCE_ENTERED, 0},
    {"twice is once", LEAVE, 1, 1, SOURCE_ENTERED, 0},
    {"and anew", ENTER, 1, 1, SOURCE_ENTERED, 1},
};

static void test_connections(void **state)
{
    const struct source_limits limits = {.connections = 2};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(events); i++) {
        if (events[i].event == ENTER)
            check_number(events[i].name, enter(events[i].worker, events[i].source, &limits, NOW),
                         events[i].want);
        else
            source_leave(&table, &holds[events[i].worker]);
        check_number(events[i].name, count(events[i].source), events[i].count);
    }
}

// What the worker's page says, from one step to the next.
static void test_held(void **state)
{
    const struct source_limits limits = {.connections = 1};
    uint64_t was = words[0];

    (void)state;
    check_number("entered", enter(0, 1, &limits, NOW), SOURCE_ENTERED);
    check_number("entered", source_held_state(words[0]), SOURCE_HELD);
    check_number("entered", source_held_session(words[0]), source_held_session(was) + 1);
    check_number("the entry has it",
                 source_count(sets[0].count[source_held_entry(&table, words[0]) % SOURCE_WAYS]), 1);
    check_number("refused", enter(1, 1, &limits, NOW), SOURCE_CONNECTIONS);
    check_number("refused", source_held_state(words[1]), SOURCE_FREE);
    was = words[0];
    source_leave(&table, &holds[0]);
    check_number("left", source_held_state(words[0]), SOURCE_FREE);
    check_number("left: where it was", source_held_entry(&table, words[0]),
                 source_held_entry(&table, was));
    check_number("left: which session", source_held_session(words[0]), source_held_session(was));
}

// One source's connections; each leaves at once.
static const struct {
    const char *name;
    uint64_t at_msec;
    enum source_verdict want;
} arrivals[] = {
    {"a full bucket", 0, SOURCE_ENTERED},
    {"2 of 3", 0, SOURCE_ENTERED},
    {"3 of 3", 0, SOURCE_ENTERED},
    {"empty", 0, SOURCE_RATE},
    {"almost", 99, SOURCE_RATE},
    {"one more", 100, SOURCE_ENTERED},
    {"and no more", 100, SOURCE_RATE},
    {"two more", 300, SOURCE_ENTERED},
    {"the second", 300, SOURCE_ENTERED},
    {"and no more", 300, SOURCE_RATE},
    {"full again, after a long time", 60000, SOURCE_ENTERED},
    {"full: 2", 60000, SOURCE_ENTERED},
    {"full: 3", 60000, SOURCE_ENTERED},
    {"full is not more", 60000, SOURCE_RATE},
};

static void test_rate(void **state)
{
    const struct source_limits limits = {.interval_nsec = SEC / 10, .burst = 3};
    struct source_key key = key_of(1, false);

    (void)state;
    for (size_t i = 0; i < ELEMENTS(arrivals); i++) {
        uint64_t now_nsec = NOW + arrivals[i].at_msec * 1000000;
        struct source_entry entry = source_look(&table, &key);

        check_number(arrivals[i].name, source_judge(&entry, &limits, now_nsec), arrivals[i].want);
        check_number(arrivals[i].name, enter(0, 1, &limits, now_nsec), arrivals[i].want);
        check_number("a refusal gives its count back", count(1),
                     arrivals[i].want == SOURCE_ENTERED);
        source_leave(&table, &holds[0]);
    }
    check_number("another source", enter(0, 2, &limits, NOW), SOURCE_ENTERED);
}

static void test_rate_is_not_charged_when_refused(void **state)
{
    const struct source_limits limits = {.connections = 1, .interval_nsec = SEC / 10, .burst = 2};

    (void)state;
    check_number("the first", enter(0, 1, &limits, NOW), SOURCE_ENTERED);
    for (int i = 0; i < 10; i++)
        check_number("too many", enter(1, 1, &limits, NOW), SOURCE_CONNECTIONS);
    source_leave(&table, &holds[0]);
    check_number("the second", enter(1, 1, &limits, NOW), SOURCE_ENTERED);
}

// Offences of a source that costs 5 s each: enforced from 15 s on, at most 20 s.
static const struct {
    const char *name;
    uint64_t at_sec, cost_sec;
    bool bites;
    uint64_t ends_sec; // the penalty
    enum source_verdict want;
} offences[] = {
    {"small", 0, 5, false, 5, SOURCE_ENTERED},
    {"small ones add up", 0, 5, false, 10, SOURCE_ENTERED},
    {"as much as is free", 0, 5, false, 15, SOURCE_ENTERED},
    {"too much", 0, 1, true, 16, SOURCE_PENALTY},
    {"it was before", 0, 1, false, 17, SOURCE_PENALTY},
    {"at most", 0, 100, false, 20, SOURCE_PENALTY},
    {"it goes by", 5, 0, false, 20, SOURCE_ENTERED},
    {"from where it is", 10, 5, false, 25, SOURCE_ENTERED},
    {"long ago", 100, 90, true, 120, SOURCE_PENALTY},
};

static void test_penalties(void **state)
{
    const struct source_limits limits = {.penalty_min_nsec = 15 * SEC,
                                         .penalty_max_nsec = 20 * SEC};
    struct source_key key = key_of(1, false);

    (void)state;
    check_number("in good time", enter(0, 1, &limits, NOW), SOURCE_ENTERED);
    for (size_t i = 0; i < ELEMENTS(offences); i++) {
        uint64_t now_nsec = NOW + offences[i].at_sec * SEC;

        check_number(
            offences[i].name,
            source_offend(&table, &holds[0], offences[i].cost_sec * SEC, &limits, now_nsec),
            offences[i].bites);
        check_number(offences[i].name, source_look(&table, &key).ban_nsec,
                     NOW + offences[i].ends_sec * SEC);
        check_number(offences[i].name, enter(1, 1, &limits, now_nsec), offences[i].want);
        source_leave(&table, &holds[1]);
    }
    check_number("another source", enter(1, 2, &limits, NOW), SOURCE_ENTERED);
    source_leave(&table, &holds[0]);
    check_number("who holds nothing", source_offend(&table, &holds[0], SEC, &limits, NOW), false);
}

// Times that nobody has written who is honest mean nothing.
static void test_lies_about_time(void **state)
{
    const struct source_limits limits = {.interval_nsec = SEC / 10,
                                         .burst = 3,
                                         .penalty_min_nsec = 15 * SEC,
                                         .penalty_max_nsec = 20 * SEC};
    const uint64_t lies[] = {UINT64_MAX, UINT64_MAX / 2, NOW + 3600 * SEC, NOW + 25 * SEC};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(lies); i++) {
        check_number("before", enter(0, 1, &limits, NOW), SOURCE_ENTERED);
        source_leave(&table, &holds[0]);
        sets[0].paid[0] = lies[i];
        check_number("paid", enter(0, 1, &limits, NOW), SOURCE_ENTERED);
        source_leave(&table, &holds[0]);
        sets[0].ban[0] = lies[i];
        check_number("ban", enter(0, 1, &limits, NOW), SOURCE_ENTERED);
        check_number("a ban from there", source_offend(&table, &holds[0], SEC, &limits, NOW),
                     false);
        check_number("a ban from there", sets[0].ban[0], NOW + SEC);
        source_leave(&table, &holds[0]);
        (void)set_up(NULL);
    }
}

// Eight sources fill the set. What a ninth one gets, and whose way.
static const struct {
    const char *name;
    unsigned leaves;          // that many of the eight leave, from the first on
    uint64_t paid[8], ban[8]; // s after now
    int way;                  // -1: none
} rooms[] = {
    {"all have connections", 0, {0}, {0}, -1},
    {"one has none", 1, {0}, {0}, 0},
    {"who owes nothing goes first", 3, {9, 0, 9}, {0}, 1},
    {"who owes least", 3, {9, 8, 7}, {0}, 2},
    {"a penalty counts as well", 3, {9, 8, 7}, {0, 0, 20}, 1},
    {"the longer of both", 2, {1, 8}, {9, 1}, 1},
    {"all are punished", 8, {0}, {9, 8, 7, 6, 5, 6, 7, 8}, 4},
};

// R7: whoever owes least makes room for a new source.
static void test_room(void **state)
{
    const struct source_limits limits = {.connections = 1, .penalty_max_nsec = 60 * SEC},
                               strict = {.connections = 1, .overflow_refuses = true};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rooms); i++) {
        int want = rooms[i].way;

        (void)set_up(NULL);
        for (unsigned n = 0; n < SOURCE_WAYS; n++) {
            check_number(rooms[i].name, enter(n, n + 1, &limits, NOW), SOURCE_ENTERED);
            check_number(rooms[i].name, source_held_entry(&table, words[n]), n);
            sets[0].paid[n] = rooms[i].paid[n] ? NOW + rooms[i].paid[n] * SEC : 0;
            sets[0].ban[n] = rooms[i].ban[n] ? NOW + rooms[i].ban[n] * SEC : 0;
        }
        for (unsigned n = 0; n < rooms[i].leaves; n++)
            source_leave(&table, &holds[n]);
        if (want < 0)
            check_number(rooms[i].name, enter(9, 9, &strict, NOW), SOURCE_OVERFLOW);
        check_number(rooms[i].name, enter(9, 9, &limits, NOW),
                     want < 0 ? SOURCE_UNCOUNTED : SOURCE_ENTERED);
        check_number(rooms[i].name, source_held_state(words[9]),
                     want < 0 ? SOURCE_FREE : SOURCE_HELD);
        check_number(rooms[i].name, count(9), want >= 0);
        if (want < 0)
            continue;
        check_number(rooms[i].name, source_held_entry(&table, words[9]), want);
        check_number(rooms[i].name, sets[0].paid[want], 0);
        check_number(rooms[i].name, sets[0].ban[want], 0);
        check_number(rooms[i].name, count((uint32_t)want + 1), 0);
    }
}

// An entry that was taken over is not charged to who had it: its leaving changes nothing.
static void test_leave_after_take_over(void **state)
{
    const struct source_limits limits = {.connections = 1};

    (void)state;
    check_number("entered", enter(0, 1, &limits, NOW), SOURCE_ENTERED);
    sets[0].count[0] = source_tag(sets[0].count[0]); // the count was lost
    for (uint32_t n = 2; n <= SOURCE_WAYS + 1; n++)
        check_number("others", enter(n, n, &limits, NOW), SOURCE_ENTERED);
    check_number("all ways", count_all(&table), SOURCE_WAYS);
    source_leave(&table, &holds[0]);
    check_number("all ways, still", count_all(&table), SOURCE_WAYS);
    source_leave(&table, &holds[2]);
    source_leave(&table, &holds[2]);
    check_number("never below 0", count_all(&table), SOURCE_WAYS - 1);
}

// R14: a flood of one family leaves the other's sources alone.
static void test_halves(void **state)
{
    const struct source_limits limits = {.connections = 1, .penalty_max_nsec = 60 * SEC};

    (void)state;
    for (int wide = 0; wide < 2; wide++) {
        struct source_key own = key_of(1, wide);

        (void)set_up(NULL);
        check_number("own", source_enter(&table, &holds[0], &own, &limits, NOW), SOURCE_ENTERED);
        check_number("own", source_offend(&table, &holds[0], 30 * SEC, &limits, NOW), true);
        source_leave(&table, &holds[0]);
        for (uint32_t n = 0; n < 1000; n++) {
            struct source_key key = key_of(n, !wide);

            check_number("flood", source_enter(&table, &holds[1], &key, &limits, NOW),
                         SOURCE_ENTERED);
            check_number("flood", source_offend(&table, &holds[1], 50 * SEC, &limits, NOW), true);
            source_leave(&table, &holds[1]);
        }
        check_number("own", source_enter(&table, &holds[0], &own, &limits, NOW), SOURCE_PENALTY);
    }
}

// Sources meet in a set by chance alone: of 512 in 1024 entries, all find room.
static void test_spread(void **state)
{
    static struct source_set many[1024 / SOURCE_WAYS];
    struct source_table large;
    const struct source_limits limits = {.connections = 1};
    unsigned n_uncounted = 0;

    (void)state;
    source_table_attach(&large, many, 1024, &secret);
    for (uint32_t n = 0; n < 256; n++) {
        struct source_key key = key_of(n, false), wide = key_of(n, true);

        holds[0].is_held = false; // nobody leaves
        n_uncounted += source_enter(&large, &holds[0], &key, &limits, NOW) == SOURCE_UNCOUNTED;
        holds[0].is_held = false;
        n_uncounted += source_enter(&large, &holds[0], &wide, &limits, NOW) == SOURCE_UNCOUNTED;
    }
    holds[0].is_held = false;
    check_true("a handful at most", n_uncounted < 20);
    check_number("all others", count_all(&large), 512 - n_uncounted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test_setup(test_connections, set_up),
        cmocka_unit_test_setup(test_held, set_up),
        cmocka_unit_test_setup(test_rate, set_up),
        cmocka_unit_test_setup(test_rate_is_not_charged_when_refused, set_up),
        cmocka_unit_test_setup(test_penalties, set_up),
        cmocka_unit_test_setup(test_lies_about_time, set_up),
        cmocka_unit_test_setup(test_room, set_up),
        cmocka_unit_test_setup(test_leave_after_take_over, set_up),
        cmocka_unit_test_setup(test_halves, set_up),
        cmocka_unit_test_setup(test_spread, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
