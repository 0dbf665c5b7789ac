// SPDX-License-Identifier: MIT
// config_text_quotes.c: each escape and variable is what tcpd.conf(5) says or an error with its
// line; no backslash is lost without a word.

#include "config_wants.h"

#define LINE_1 "main.conf:1: "
#define LINE_2 "main.conf:2: "
#define LINE_3 "main.conf:3: "
#define VALUE  "service e { handler = echo\nsocket_user = "
#define END    "\n}\n"

static const struct {
    const char *name, *text;
    struct want wants[WANTS_MAX];
} rows[] = {
    {"of sed",
     VALUE "\"s/\\(a\\)/\\1/\"" END,
     {{LINE_2,
       "\"\\(\" is no escape; write the text in single quotes, where a backslash is itself, "
       "or \"\\\\(\""}}},
    {"a back reference", VALUE "\"s/(a)/\\1/\"" END, {{LINE_2, "\"\\1\" is no escape"}}},
    {"a dot", VALUE "\"a\\.b\"" END, {{LINE_2, "\"\\.\" is no escape"}}},
    {"a digit class", VALUE "\"\\d+\"" END, {{LINE_2, "\"\\d\" is no escape"}}},
    {"a single quote", VALUE "\"it\\'s\"" END, {{LINE_2, "\"\\'\" is no escape"}}},
    {"a dollar", VALUE "\"a\\$\"" END, {{LINE_2, "\"\\$\" is no escape"}}},
    {"octal, too large", VALUE "\"\\400\"" END, {{LINE_2, "\"\\400\" is no escape"}}},
    {"octal, two digits", VALUE "\"\\10x\"" END, {{LINE_2, "\"\\10\" is no escape"}}},
    {"octal, four digits", VALUE "\"\\1011\"" END, {{LINE_2, "\"\\1011\" is no escape"}}},
    {"not octal", VALUE "\"\\8\"" END, {{LINE_2, "\"\\8\" is no escape"}}},
    {"no hexadecimal digits", VALUE "\"\\xg\"" END, {{LINE_2, "\"\\x\" is no escape"}}},
    {"NUL, hexadecimal", VALUE "\"a\\x00b\"" END, {{LINE_2, "\"\\x00\" is a NUL byte"}}},
    {"NUL, one digit", VALUE "\"a\\x0\"" END, {{LINE_2, "\"\\x0\" is a NUL byte"}}},
    {"NUL, octal", VALUE "\"a\\000\"" END, {{LINE_2, "\"\\000\" is a NUL byte"}}},
    {"UTF-8", VALUE "\"\\\xc3\xa9\"" END, {{LINE_2, "\"\\\xc3\xa9\" is no escape"}}},
    {"before CRLF", VALUE "\"a\\\r\nb\"" END, {{LINE_2, "\"\\\\x0d\" is no escape"}}},
    {"at its line", VALUE "\"a\\\n\\.\"" END, {{LINE_3, "\"\\.\" is no escape"}}},
    {"one for each text",
     "service e { handler = echo\nlisten = {\"h\\.\\.:1\",\n\"h\\-:2\"}\n}\n",
     {{LINE_2, "\"\\.\""}, {LINE_3, "\"\\-\""}}},
    {"in a title", "service \"a\\-b\" { handler = echo }\n", {{LINE_1, "\"\\-\" is no escape"}}},
    {"in an include",
     "include(\"a\\ b\")\nservice e { handler = echo }\n",
     {{LINE_1, "\"\\ \" is no escape"}, {LINE_1, "a_ b cannot be read"}}},
    {"what follows is read",
     VALUE "\"\\8\"\nbacklog = 0\n}\nstop_timeout = x\n",
     {{LINE_2, "\"\\8\""}, {LINE_3, "backlog"}, {"main.conf:5: ", "stop_timeout"}}},

    {"a variable left open",
     VALUE "\"echo ${HOME\"" END,
     {{LINE_2, "${ begins no variable here; write ${NAME} or ${NAME:-text}, or the text in single "
               "quotes, where it stays"}}},
    {"a variable over lines", VALUE "\"${A\n}\"" END, {{LINE_2, "${ begins no variable here"}}},
    {"quotes in a variable", VALUE "\"${A:-\\\"}\"" END, {{LINE_2, "${ begins no variable here"}}},
    {"of the shell", VALUE "\"${x%%y}\"" END, {{LINE_2, "${ begins no variable here"}}},
    {"of the shell, a default", VALUE "\"${x-y}\"" END, {{LINE_2, "${ begins no variable here"}}},
    {"of the shell, an argument", VALUE "\"${1}\"" END, {{LINE_2, "${ begins no variable here"}}},
    {"without a name", VALUE "\"${}\"" END, {{LINE_2, "${ begins no variable here"}}},
    {"without quotes, left open",
     "service e { handler = echo\nbacklog = ${TCPD_TEST\n}\n",
     {{LINE_2, "${ begins no variable here"}, {LINE_2, "backlog = \"0\""}}},
    {"without quotes, of the shell",
     "service e { handler = echo\nbacklog = ${x%%y} min_workers = 0 }\n",
     {{LINE_2, "${ begins no variable here"},
      {LINE_2, "backlog = \"0\""},
      {LINE_2, "min_workers = \"0\""}}},
};

static void test_rows(void **state)
{
    size_t n_wrong = 0;

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        config_dir_write("main.conf", rows[i].text, strlen(rows[i].text));
        if (!config_refused(rows[i].name, rows[i].wants))
            n_wrong++;
    }
    check_number("rows that fail", n_wrong, 0);
}

// The value that a text gives, an owned text; NULL: it is refused.
static char *value_of(const char *written)
{
    struct problems problems = {0};
    struct config *config;
    char text[256], *value = NULL;
    int n = snprintf(text, sizeof(text), VALUE "%s" END, written);

    config_dir_write("main.conf", text, (size_t)n);
    config = config_load(config_dir_path("main.conf"), handlers, &problems);
    if (config)
        value = base_checked(strdup(config->services[0].socket_user));
    (void)config_unref(config);
    problems_done(&problems);
    return value;
}

static const struct {
    const char *written, *want;
} values[] = {
    {"\"\\a\\b\\e\\f\\n\\r\\t\\v\\\"\\\\\"", "\a\b\x1b\f\n\r\t\v\"\\"},
    {"\"\\x41\\x4g\\x7F\\xff\\101\\377x\\001\"", "A\x04g\x7f\xff"
                                                 "A\xffx\x01"},
    {"\"a\\\nb\"", "ab"},
    {"\"a\nb\"", "a\nb"},
    {"\"a'b\"", "a'b"},
    {"\"a$b $ $\"", "a$b $ $"},
    {"\"\\${TCPD_TEST}\"", "${TCPD_TEST}"},
    {"\"\\\\${TCPD_TEST}\"", "\\from outside"},
    {"\"${TCPD_TEST}\"", "from outside"},
    {"\"${TCPD_TEST:-x}${TCPD_TEST_0:-}\"", "from outside"},
    {"\"${TCPD_TEST_0:-a 'b' ${c}\"", "a 'b' ${c"},
    {"${TCPD_TEST}", "from outside"},
    {"${TCPD_TEST_0:-a b}", "a b"},
    {"'s/\\(a\\)/\\1/'", "s/\\(a\\)/\\1/"},
    {"'a\\\\b\\\\\\c'", "a\\\\b\\\\\\c"},
    {"'a\\\nb'", "a\\\nb"},
    {"'\\''", "'"},
    {"'\\\\'", "\\"},
    {"'\\\\\\''", "\\'"},
    {"'\\\\\\\\'", "\\\\"},
    {"'\\n\\x41\"${TCPD_TEST}$'", "\\n\\x41\"${TCPD_TEST}$"},
    {"a\\b", "a\\b"},
    {"\\\\", "\\\\"},
};

static void test_values(void **state)
{
    (void)state;
    assert_int_equal(setenv("TCPD_TEST", "from outside", 1), 0);
    for (size_t i = 0; i < ELEMENTS(values); i++) {
        cleanup_free char *value = value_of(values[i].written);

        check_text(values[i].written, value, values[i].want);
    }
    assert_int_equal(unsetenv("TCPD_TEST"), 0);
}

// Each byte behind a backslash: in double quotes a known escape or an error, in single quotes
// itself.
static void test_sweep(void **state)
{
    static const char known[] = "abefnrtv\"\\\n", meant[] = "\a\b\x1b\f\n\r\t\v\"\\";

    (void)state;
    for (int c = 1; c < 256; c++) {
        const char *escape = strchr(known, c);
        char want[4] = {'\\', (char)c}, text[16];
        cleanup_free char *value = NULL, *single = NULL;

        (void)snprintf(text, sizeof(text), "'\\%c'", c);
        single = value_of(c == '\'' ? "'\\\\\\''" : c == '\\' ? "'\\\\\\\\'" : text);
        check_text(text, single, want);
        (void)snprintf(text, sizeof(text), "\"\\%c\"", c);
        value = c == '"' ? value_of("\"\\\"\"") : value_of(text);
        if (escape)
            (void)snprintf(want, sizeof(want), "%.1s", meant + (escape - known));
        check_text(text, value, escape ? want : NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rows, config_dir_make, config_dir_remove),
        cmocka_unit_test_setup_teardown(test_values, config_dir_make, config_dir_remove),
        cmocka_unit_test_setup_teardown(test_sweep, config_dir_make, config_dir_remove),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
