// SPDX-License-Identifier: MIT
// mistakes.c: what a start has failed for is known by its text, and counted until it changes.

#include "log/mistakes.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "unit.h"

static char folder[] = "/tmp/test-mistakes-XXXXXX";

static unsigned start_fails(const char *text, const char *more)
{
    struct problems problems = {0};
    unsigned n;

    problems_add(&problems, "f", 1, "%s", text);
    if (more)
        problems_add(&problems, "f", 2, "%s", more);
    n = mistakes_repeated(&problems);
    problems_done(&problems);
    return n;
}

static void test_counts(void **state)
{
    (void)state;
    check_number("new", start_fails("a", NULL), 0);
    check_number("once", start_fails("a", NULL), 1);
    check_number("twice", start_fails("a", NULL), 2);
    check_number("one more", start_fails("a", "b"), 0);
    check_number("both again", start_fails("a", "b"), 1);
    check_number("one fewer", start_fails("a", NULL), 0);
    check_number("another", start_fails("b", NULL), 0);
    mistakes_forget();
    check_number("forgotten", start_fails("b", NULL), 0);
    check_number("and known", start_fails("b", NULL), 1);
    mistakes_forget();
    mistakes_forget();
}

// What somebody else has written there.
static void test_texts(void **state)
{
    static const char *const texts[] = {"",
                                        "1",
                                        "1\n",
                                        "x\nf:1: a\n",
                                        "-1\nf:1: a\n",
                                        "7\nf:1: a",
                                        "7 \nf:1: a\n",
                                        "7\nf:1: ab\n",
                                        "99999999999999999999\nf:1: a\n"};
    char path[64];

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/mistakes", folder);
    for (size_t i = 0; i < ELEMENTS(texts); i++) {
        FILE *file = fopen(path, "we");

        (void)fputs(texts[i], file);
        (void)fclose(file);
        check_number(texts[i], start_fails("a", NULL), 0);
        check_number("written anew", start_fails("a", NULL), 1);
    }
    (void)unlink(path);
    (void)mkdir(path, 0700);
    check_number("a directory", start_fails("a", NULL), 0);
    check_number("still", start_fails("a", NULL), 0);
    (void)rmdir(path);
}

static void test_no_folder(void **state)
{
    static const char *const values[] = {"", "relative", ":", "/nonexistent"};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(values); i++) {
        (void)setenv("RUNTIME_DIRECTORY", values[i], 1);
        check_number(values[i], start_fails("a", NULL), 0);
        check_number(values[i], start_fails("a", NULL), 0);
        mistakes_forget();
    }
    (void)unsetenv("RUNTIME_DIRECTORY");
    check_number("none", start_fails("a", NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_no_folder),
    };
    int n;

    if (!mkdtemp(folder))
        return 1;
    (void)setenv("RUNTIME_DIRECTORY", folder, 1);
    n = cmocka_run_group_tests(tests, NULL, NULL);
    (void)rmdir(folder);
    return n;
}
