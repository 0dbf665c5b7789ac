// SPDX-License-Identifier: MIT
// problems.c: those of a file are in the order of its lines, those of a file that it includes where
// it is included, and what could not be told stays the last one.

#include "base/problems.h"
#include "unit.h"

static void check_order(const char *row, const struct problems *problems, const char *want)
{
    char got[256] = "";

    for (size_t i = 0; i < problems->n; i++)
        (void)snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s; ", problems->texts[i]);
    check_text(row, got, want);
}

static void test_order(void **state)
{
    struct problems problems = {0};

    (void)state;
    problems_add(&problems, "before", 9, "x");
    problems_add(&problems, "f", 7, "a");
    problems_add(&problems, "f", 3, "b");
    problems_add(&problems, "inc", 8, "c"); // which f includes at line 5
    problems_add(&problems, "inc", 2, "d");
    problems_order(&problems, 3, 5);
    problems_add(&problems, "f", 3, "e");
    problems_add(&problems, "f", 6, "f");
    problems_add_text(&problems, "of no line");
    problems_order(&problems, 1, 0);
    check_order("in order", &problems,
                "before:9: x; of no line; f:3: b; f:3: e; inc:2: d; inc:8: c; f:6: f; f:7: a; ");
    problems_order(&problems, 8, 0);
    problems_done(&problems);
    problems_order(&problems, 0, 0);
}

static void test_more(void **state)
{
    struct problems problems = {0};

    (void)state;
    for (int i = 0; i < 2 * PROBLEMS_MAX; i++)
        problems_add(&problems, "f", 1000 - i, "x");
    problems_order(&problems, 50, 0); // of a file that is included at the start
    problems_order(&problems, 0, 0);
    check_number("how many", problems.n, PROBLEMS_MAX);
    check_text("first", problems.texts[0], "f:902: x");
    check_text("of the other file", problems.texts[49], "f:951: x");
    check_text("last", problems.texts[PROBLEMS_MAX - 1], "more is wrong than is shown here");
    problems_done(&problems);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
