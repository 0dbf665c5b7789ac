// SPDX-License-Identifier: MIT
// session_options.c: nothing is ended that was not named, or chosen and confirmed.

#include "ctl/session_options.h"
#include "unit.h"

struct given {
    enum session_option option;
    const char *value;
};

static const struct {
    const char *name;
    struct given given; // option 0: none
    bool is_good;
} values[] = {
    {"an address", {SESSION_PEER, "192.0.2.7"}, true},
    {"a prefix", {SESSION_PEER, "2001:db8::/32"}, true},
    {"no address", {SESSION_PEER, "example.org"}, false},
    {"a bad prefix", {SESSION_PEER, "192.0.2.0/33"}, false},
    {"bits behind it", {SESSION_PEER, "192.0.2.7/24"}, false},
    {"an empty one", {SESSION_PEER, ""}, false},
    {"an age", {SESSION_OLDER, "1h"}, true},
    {"no age", {SESSION_OLDER, "old"}, false},
    {"doing", {SESSION_DOING, "writing"}, true},
    {"doing nothing", {SESSION_DOING, "nothing"}, false},
    {"an order", {SESSION_SORT, "out"}, true},
    {"no order", {SESSION_SORT, "name"}, false},
    {"a limit", {SESSION_LIMIT, "50"}, true},
    {"a limit of 0", {SESSION_LIMIT, "0"}, false},
    {"a negative one", {SESSION_LIMIT, "-1"}, false},
    {"2 ^ 64", {SESSION_LIMIT, "18446744073709551616"}, false},
    {"no number", {SESSION_LIMIT, "5x"}, false},
    {"a service", {SESSION_SERVICE, "echo"}, true},
    {"an empty service", {SESSION_SERVICE, ""}, false},
};

static void test_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(values); i++) {
        struct session_options options = {0};
        const char *wrong = session_options_take(&options, values[i].given.option,
                                                 values[i].given.value);

        check_number(values[i].name, !wrong, values[i].is_good);
        check_true(values[i].name, session_options_has(&options, values[i].given.option));
    }
}

enum command { LIST, KICK, ANOTHER };

static const struct {
    const char *name;
    enum command command;
    struct given given[4];
    const char *ids[3];
    bool is_good;
} lines[] = {
    {"list", LIST, {{0}}, {0}, true},
    {"list some", LIST, {{SESSION_PEER, "any"}, {SESSION_LIMIT, "3"}}, {0}, true},
    {"list with --yes", LIST, {{SESSION_YES, NULL}}, {0}, false},
    {"list with --kill", LIST, {{SESSION_KILL, NULL}}, {0}, false},
    {"recent", LIST, {{SESSION_RECENT, NULL}, {SESSION_LIMIT, "3"}}, {0}, true},
    {"recent by address", LIST, {{SESSION_RECENT, NULL}, {SESSION_PEER, "any"}}, {0}, false},
    {"kick nobody", KICK, {{0}}, {0}, false},
    {"kick nobody with --yes", KICK, {{SESSION_YES, NULL}}, {0}, false},
    {"kick nobody hard", KICK, {{SESSION_KILL, NULL}, {SESSION_YES, NULL}}, {0}, false},
    {"kick one", KICK, {{0}}, {"1.5"}, true},
    {"kick two", KICK, {{SESSION_RESET, NULL}}, {"1.5", "2.6"}, true},
    {"kick what is no session", KICK, {{0}}, {"1.5", "2."}, false},
    {"kick all", KICK, {{SESSION_PEER, "0.0.0.0/0"}}, {0}, false},
    {"kick all with --yes", KICK, {{SESSION_PEER, "0.0.0.0/0"}, {SESSION_YES, NULL}}, {0}, true},
    {"kick a service", KICK, {{SESSION_SERVICE, "echo"}}, {0}, false},
    {"the same with --yes", KICK, {{SESSION_SERVICE, "echo"}, {SESSION_YES, NULL}}, {0}, true},
    {"kick old ones", KICK, {{SESSION_OLDER, "1h"}, {SESSION_YES, NULL}}, {0}, true},
    {"kick one of some", KICK, {{SESSION_OLDER, "1h"}, {SESSION_YES, NULL}}, {"1.5"}, false},
    {"kick both ways", KICK, {{SESSION_RESET, NULL}, {SESSION_KILL, NULL}}, {"1.5"}, false},
    {"kick with a limit", KICK, {{SESSION_LIMIT, "3"}}, {"1.5"}, false},
    {"another", ANOTHER, {{0}}, {0}, true},
    {"another by address", ANOTHER, {{SESSION_PEER, "any"}}, {0}, false},
    {"another with --yes", ANOTHER, {{SESSION_YES, NULL}}, {0}, false},
    {"another with --kernel", ANOTHER, {{SESSION_KERNEL, NULL}}, {0}, false},
};

static void test_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(lines); i++) {
        struct session_options options = {.ids = (char **)(uintptr_t)lines[i].ids};
        const char *word, *wrong;

        for (size_t k = 0; lines[i].given[k].option != 0; k++)
            check_text(
                lines[i].name,
                session_options_take(&options, lines[i].given[k].option, lines[i].given[k].value),
                NULL);
        wrong = session_options_check(&options, lines[i].command == LIST, lines[i].command == KICK,
                                      &word);
        check_number(lines[i].name, !wrong, lines[i].is_good);
        check_true(lines[i].name, word != NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
