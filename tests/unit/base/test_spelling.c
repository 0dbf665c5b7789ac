// SPDX-License-Identifier: MIT
// spelling.c: distances, and which words are near enough to be offered.

#include "base/spelling.h"
#include "unit.h"

static const struct {
    const char *a, *b;
    unsigned distance;
} distances[] = {
    {"", "", 0},
    {"", "abc", 3},
    {"abc", "", 3},
    {"abc", "abc", 0},
    {"abc", "abd", 1},
    {"abc", "ab", 1},
    {"abc", "xabc", 1},
    {"abcd", "abdc", 1},
    {"ca", "abc", 3}, // what was swapped is not edited between
    {"kitten", "sitting", 3},
    {"idle_timout", "idle_timeout", 1},
    {"max_worker", "max_workers", 1},
    {"lsiten", "listen", 1},
    {"colour", "listen", 6},
};

static void test_distance(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(distances); i++) {
        check_number(distances[i].a, spelling_distance(distances[i].a, distances[i].b),
                     distances[i].distance);
        check_number(distances[i].b, spelling_distance(distances[i].b, distances[i].a),
                     distances[i].distance);
    }
}

static void test_long(void **state)
{
    char text[SPELLING_MAX + 2] = "";

    (void)state;
    memset(text, 'x', SPELLING_MAX);
    check_number("longest", spelling_distance(text, "x"), SPELLING_MAX - 1);
    text[SPELLING_MAX] = 'x';
    check_number("too long", spelling_distance(text, text), SPELLING_FAR);
}

// The best of several is found whatever their order; what is far is not offered.
static void test_closer(void **state)
{
    static const struct {
        const char *word, *known[3], *want;
    } rows[] = {
        {"min_worker", {"max_workers", "min_workers", "backlog"}, "min_workers"},
        {"min_worker", {"min_workers", "max_workers", "backlog"}, "min_workers"},
        {"backlog", {"backlog", "backlogs", NULL}, "backlog"},
        {"ab", {"ac", NULL, NULL}, NULL}, // a third of two letters is none
        {"abc", {"abd", NULL, NULL}, "abd"},
        {"colour", {"listen", "handler", "message"}, NULL},
        {"completely_other_word", {"completely_wxyz_word", NULL, NULL}, NULL},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        unsigned best = SPELLING_FAR;
        const char *closest = NULL;

        for (size_t k = 0; k < 3 && rows[i].known[k]; k++)
            if (spelling_is_closer(rows[i].word, rows[i].known[k], &best))
                closest = rows[i].known[k];
        check_text(rows[i].word, closest, rows[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_distance),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_closer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
