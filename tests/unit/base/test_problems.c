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
    problems_add_text(&problems, "of no line", NULL);
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

// Places go with their texts, whatever the order; one that concerns all has none.
static void test_places(void **state)
{
    struct problems problems = {0}, others = {0};
    const struct place place = {.file = "h", .line = 4};

    (void)state;
    problems_add(&problems, "f", 7, "a");
    problems_add(&problems, "f", 3, "b");
    problems_widen(&problems);
    problems_add(&problems, "inc", 9, "c"); // which f includes at line 5
    problems_order(&problems, 2, 5);
    problems_order(&problems, 0, 0);
    problems_add_text(&problems, "d", &place);
    for (size_t i = 0; i < problems.n; i++)
        problems_copy(&others, &problems, i);
    problems_done(&problems);
    check_order("in order", &others, "f:3: b; inc:9: c; f:7: a; d; ");
    check_true("widened", others.places[0].file == NULL);
    check_text("included", others.places[1].file, "inc");
    check_number("its own line", others.places[1].line, 9);
    check_text("moved", others.places[2].file, "f");
    check_number("its line", others.places[2].line, 7);
    check_text("of a text", others.places[3].file, "h");
    problems_done(&others);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_more),
        cmocka_unit_test(test_places),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
