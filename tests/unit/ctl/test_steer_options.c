// SPDX-License-Identifier: MIT
// steer_options.c: limits, workers and kinds as they are written, and all that they are not.

#include "ctl/steer_options.h"

#include <stdlib.h>

#include "unit.h"

static const struct {
    const char *name;
    enum steer_option option;
    const char *value;
    bool is_good;
} values[] = {
    {"a worker", STEER_WORKER, "4711", true},
    {"no worker", STEER_WORKER, "0", false},
    {"a negative one", STEER_WORKER, "-1", false},
    {"2 ^ 64", STEER_WORKER, "18446744073709551616", false},
    {"a session", STEER_WORKER, "4711.3", false},
    {"nothing", STEER_WORKER, "", false},
    {"events", STEER_LAST, "20", true},
    {"no events", STEER_LAST, "0", true},
    {"more than there are", STEER_LAST, "65", false},
    {"no number", STEER_LAST, "x", false},
    {"a kind", STEER_KINDS, "paused", true},
    {"kinds", STEER_KINDS, "paused,resumed", true},
    {"no kind", STEER_KINDS, "", false},
    {"an empty one", STEER_KINDS, "paused,,resumed", false},
    {"an empty one at the end", STEER_KINDS, "paused,", false},
};

static void forget(struct steer_options *options)
{
    if (options->kinds)
        free(options->kinds[0]); // the text that the words are in
    free(options->kinds);
}

static void test_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(values); i++) {
        struct steer_options options = {0};

        check_number(values[i].name,
                     !steer_options_take(&options, values[i].option, values[i].value),
                     values[i].is_good);
        forget(&options);
    }
}

static void test_kinds(void **state)
{
    struct steer_options options = {0};

    (void)state;
    assert_null(steer_options_take(&options, STEER_KINDS, "a,bc"));
    assert_string_equal(options.kinds[0], "a");
    assert_string_equal(options.kinds[1], "bc");
    assert_null(options.kinds[2]);
    forget(&options);
}

static const struct {
    const char *name;
    char words[3][16]; // empty: no more
    const char *wrong; // the word that is, NULL: none
    bool has[STEER_LIMITS];
    uint32_t limits[STEER_LIMITS];
} lines[] = {
    {"one", {"max=8"}, NULL, {[STEER_MAX] = true}, {[STEER_MAX] = 8}},
    {"all", {"min=1", "max=3", "spare=0"}, NULL, {true, true, true}, {1, 0, 3}},
    {"none", {"reset"}, NULL, {0}, {0}},
    {"reset and one", {"reset", "max=8"}, "reset", {0}, {0}},
    {"one and reset", {"max=8", "reset"}, "reset", {[STEER_MAX] = true}, {[STEER_MAX] = 8}},
    {"twice", {"max=8", "max=9"}, "max=9", {[STEER_MAX] = true}, {[STEER_MAX] = 8}},
    {"no number", {"max=x"}, "max=x", {0}, {0}},
    {"nothing", {"max="}, "max=", {0}, {0}},
    {"a negative one", {"min=-1"}, "min=-1", {0}, {0}},
    {"too long", {"min=1000000000"}, "min=1000000000", {0}, {0}},
    {"another name", {"minimum=1"}, "minimum=1", {0}, {0}},
    {"no name", {"=1"}, "=1", {0}, {0}},
};

static void test_limits(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(lines); i++) {
        struct steer_options options = {0};
        const char *word = NULL;
        char texts[3][16], *words[4] = {NULL};
        const char *wrong;

        memcpy(texts, lines[i].words, sizeof(texts));
        for (int k = 0; k < 3 && texts[k][0] != '\0'; k++)
            words[k] = texts[k];
        wrong = steer_options_take_limits(&options, words, &word);
        check_number(lines[i].name, wrong != NULL, lines[i].wrong != NULL);
        if (wrong)
            assert_string_equal(word, lines[i].wrong);
        for (int k = 0; k < STEER_LIMITS; k++) {
            check_number(lines[i].name, options.has_limit[k], lines[i].has[k]);
            check_number(lines[i].name, options.limits[k], lines[i].limits[k]);
        }
    }
}

// Which command may have what.
static void test_check(void **state)
{
    static const struct steer_options none = {0}, worker = {.worker = 5}, last = {.has_last = true};
    static char *words[] = {NULL};
    const struct steer_options kinds = {.kinds = words};
    char echo[] = "echo", *no_service[] = {NULL}, *one[] = {echo, NULL};

    (void)state;
    assert_null(steer_options_check(&none, false, false, NULL));
    assert_null(steer_options_check(&none, false, true, one));
    assert_null(steer_options_check(&last, true, false, NULL));
    assert_null(steer_options_check(&kinds, true, false, NULL));
    assert_null(steer_options_check(&worker, false, true, no_service));
    assert_non_null(steer_options_check(&last, false, false, NULL));
    assert_non_null(steer_options_check(&kinds, false, true, no_service));
    assert_non_null(steer_options_check(&worker, true, false, NULL));
    assert_non_null(steer_options_check(&worker, false, true, one));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values), cmocka_unit_test(test_kinds), cmocka_unit_test(test_limits),
        cmocka_unit_test(test_check)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
