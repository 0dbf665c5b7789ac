// SPDX-License-Identifier: MIT
// load_weight.c: a story by table, and the promises of its header over a load that goes anywhere.

#include "master/load_weight.h"
#include "unit.h"

// One weight throughout, over a time in milliseconds.
static const struct {
    const char *name;
    unsigned time_ms;
    struct load load;
    unsigned want;
} story[] = {
    {"at first it is what it is", 1000, {0, 0, 100}, 100},
    {"a few are no news", 1100, {9, 0, 100}, 100},
    {"ten are", 1200, {10, 0, 100}, 90},
    {"down at once", 1201, {70, 0, 100}, 30},
    {"who waits counts as one who is served", 1202, {70, 10, 100}, 20},
    {"never below 10", 1203, {100, 4000, 100}, 10},
    {"up slowly", 1204, {0, 0, 100}, 10},
    {"up slowly: a tenth of a second is 1", 2103, {0, 0, 100}, 10},
    {"a second is 10", 2203, {0, 0, 100}, 20},
    {"which has been told", 3202, {0, 0, 100}, 20},
    {"and the next", 3203, {0, 0, 100}, 30},
    {"down again, to where it is", 3300, {95, 0, 100}, 10},
    {"a long time at rest", 60000, {95, 0, 100}, 10},
    {"is no reason to jump", 60001, {0, 0, 100}, 10},
    {"but with nobody looking it rises, too", 70000, {0, 0, 100}, 100},
    {"half", 70001, {128, 0, 256}, 50},
    {"45 is told as 50", 70002, {141, 0, 256}, 50},
    {"more are busy than there may be, as old ones drain", 70003, {300, 0, 256}, 10},
    {"nobody may be there", 70004, {0, 0, 0}, 10},
};

static void test_story(void **state)
{
    struct load_weight weight = {0};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(story); i++)
        check_number(story[i].name,
                     load_weight_next(&weight, &story[i].load, story[i].time_ms * USEC_PER_MSEC),
                     story[i].want);
}

static void test_large(void **state)
{
    struct load_weight weight = {0};

    (void)state;
    check_number("large", load_weight_next(&weight, &(struct load){0, 0, 30000000}, 1), 100);
    check_number(
        "large",
        load_weight_next(&weight, &(struct load){UINT32_MAX, UINT32_MAX, 30000}, UINT64_MAX / 2),
        10);
}

// Looked at every microsecond it rises as fast as it may, and not faster.
static void test_every_moment(void **state)
{
    struct load_weight weight = {0};
    unsigned told = 0;

    (void)state;
    (void)load_weight_next(&weight, &(struct load){100, 0, 100}, 1);
    for (uint64_t now = 2; now <= 1000001; now++)
        told = load_weight_next(&weight, &(struct load){0, 0, 100}, now);
    check_number("after a second", told, 20);
}

static void test_promises(void **state)
{
    struct load_weight weight = {0};
    struct load load = {.max = 64};
    uint64_t now = 12345, risen_usec = now;
    unsigned before = 0, lowest = 100;

    (void)state;
    srandom(1);
    for (unsigned i = 0; i < 200000; i++) {
        unsigned told, level;

        if (random() % 8 == 0)
            load.busy = (uint64_t)random() % 70;
        load.queued = random() % 16 == 0 ? (uint64_t)random() % 9 : 0;
        now += (uint64_t)random() % 300000;
        told = load_weight_next(&weight, &load, now);
        level = (unsigned)(load.busy + load.queued < load.max
                               ? 100 * (load.max - load.busy - load.queued) / load.max
                               : 0);
        check_true("a multiple of 10 within 10 and 100",
                   told >= 10 && told <= 100 && told % 10 == 0);
        check_true("never much more than there is room", told <= (level < 10 ? 10 : level) + 10);
        if (told < before || i == 0) {
            lowest = told;
            risen_usec = now;
        }
        check_true("up by 10 a second, and what was rounded",
                   told <= lowest + 10 + (now - risen_usec) / 100000 + 10);
        before = told;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_story),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_every_moment),
        cmocka_unit_test(test_promises),
    };

    return cmocka_run_group_tests_name("load_weight", tests, NULL, NULL);
}
