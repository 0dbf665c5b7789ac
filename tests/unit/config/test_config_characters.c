// SPDX-License-Identifier: MIT
// config_text_characters.c: what cannot be meant outside of quotes is named, with its line and its
// code, and the rest of the file is read all the same; in quotes and comments everything may stand.

#include "config_wants.h"

#define BOM  "\xef\xbb\xbf"
#define NBSP "\xc2\xa0"
#define ZWSP "\xe2\x80\x8b"
#define RLO  "\xe2\x80\xae"
#define ECHO "service \"e\" { handler = \"echo\" "

#define LINE_1 "main.conf:1: "
#define LINE_2 "main.conf:2: "
#define LINE_3 "main.conf:3: "

static const struct {
    const char *name, *text;
    struct want wants[WANTS_MAX];
} rows[] = {
    {"a mark behind the first one",
     BOM BOM "stop_timeout = 5s\n" ECHO "}\n",
     {{LINE_1, "there is an invisible character here, U+FEFF (byte order mark); delete it"}}},
    {"a mark at the start of another line", "\n" BOM ECHO "}\n", {{LINE_2, "U+FEFF"}}},
    {"a mark alone", BOM, {{LINE_1, "no service is configured"}}},
    {"at the end", ECHO "}\n" BOM, {{LINE_2, "U+FEFF"}}},
    {"in place of a space",
     "stop_timeout" NBSP "= 5s\n" ECHO "}\n",
     {{LINE_1, "there is an invisible character here, U+00A0 (no-break space); write a space"}}},
    {"of many lines, each",
     ECHO "\n" NBSP NBSP "backlog = 5\n" NBSP NBSP "min_workers = 4\n}\n",
     {{LINE_2, "U+00A0"}, {LINE_3, "U+00A0"}}},
    {"behind a value", "stop_timeout = 5s" NBSP "\n" ECHO "}\n", {{LINE_1, "U+00A0"}}},
    {"in a name",
     "stop_" ZWSP "timeout = 5s\n" ECHO "}\n",
     {{LINE_1, "U+200B (zero width space); delete it"}}},
    {"in a value", "stop_timeout = 5" ZWSP "s\n" ECHO "}\n", {{LINE_1, "U+200B"}}},
    {"in the name of a list",
     ECHO "\nlis" ZWSP "ten = {\"h:1\", \"h:2\"}\n}\n",
     {{LINE_2, "U+200B"}}},
    {"in a list", ECHO "\nlisten = {" NBSP "\"h:1\"," NBSP "\"h:2\"}\n}\n", {{LINE_2, "U+00A0"}}},
    {"between list and brace", ECHO "\nlisten = " NBSP "{\"h:1\"}\n}\n", {{LINE_2, "U+00A0"}}},
    {"several kinds in a line, each once",
     "stop_timeout = 5s" NBSP RLO NBSP RLO "\x01\x01\n" ECHO "}\n",
     {{LINE_1, "U+00A0"},
      {LINE_1, "U+202E (right-to-left override)"},
      {LINE_1, "the control character U+0001 stands outside of quotes; delete it"}}},
    {"and what is wrong besides",
     "stop_timeout = soon" NBSP "\n" ECHO "\nbacklog = 0 }\n",
     {{LINE_1, "U+00A0"}, {LINE_1, "\"soon\" is not a time"}, {LINE_3, "backlog"}}},
    {"a control character", ECHO "\n\x01 }\n", {{LINE_2, "the control character U+0001 stands"}}},
    {"a vertical tab",
     "stop_timeout\v= 5s\n" ECHO "}\n",
     {{LINE_1, "U+000B (vertical tab) stands outside"}}},
    {"a page break", ECHO "}\n\f\n", {{LINE_2, "U+000C (form feed)"}}},
    {"a carriage return that ends no line",
     "stop_timeout = 5s\rlog_sessions = all\r\n" ECHO "}\n",
     {{LINE_1, "U+000D (carriage return)"}}},
    {"the end of a file of DOS", ECHO "}\r\n\x1a", {{LINE_2, "U+001A (substitute)"}}},
    {"C1", ECHO "\n\xc2\x85}\n", {{LINE_2, "U+0085 (next line)"}}},
    {"Latin-1",
     "stop_timeout\xa0= 5s\n" ECHO "}\n",
     {{LINE_1, "the byte 0xA0, which is not UTF-8, stands outside of quotes; delete it"}}},
    {"a character cut off", ECHO "\n\xe2\x82 }\n", {{LINE_2, "0xE2"}, {LINE_2, "0x82"}}},
    {"curly quotes",
     "service e { handler = \xe2\x80\x9c"
     "echo\xe2\x80\x9d }\n",
     {{LINE_1, "there is a U+201C (left double quotation mark) here; quotes are written \" or '"},
      {LINE_1, "U+201D (right double quotation mark)"}}},
    {"in the name of a service, which is shown",
     "service \"a" ZWSP "\" { handler = echo }\n",
     {{LINE_1, "\"a<U+200B>\" is not a service name"}}},
    {"in a value in quotes, which is shown",
     ECHO "\nidle_timeout = \"5s" NBSP "\" }\n",
     {{LINE_2, "idle_timeout = \"5s<U+00A0>\" is not a time"}}},
    {"a backslash is shown as it is",
     "service \"a\\\\b\" { handler = echo }\n",
     {{LINE_1, "\"a\\b\" is not a service name"}}},
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

static void test_other_files(void **state)
{
    static const char main_text[] = "include(\"inc.conf\")\n", included[] = " " BOM ECHO "}\n",
                      drop_in[] = "\n" BOM "stop_timeout = 5s\n";
    static const struct want wants[WANTS_MAX] = {{"inc.conf:1: ", "U+FEFF"},
                                                 {"main.conf.d/a.conf:2: ", "U+FEFF"}};

    (void)state;
    config_dir_write("main.conf", main_text, strlen(main_text));
    config_dir_write("inc.conf", included, strlen(included));
    config_dir_write("main.conf.d/a.conf", drop_in, strlen(drop_in));
    check_true("other files", config_refused("other files", wants));
}

// Where everything may stand.
static const char *const good[] = {
    BOM ECHO "}\n",
    BOM "# a comment\n" ECHO "}\n",
    BOM "stop_timeout = 5s\r\n" ECHO "}\r\n",
    "# " BOM NBSP ZWSP RLO "\x01\xa0\xe2\x80\x9c\n" ECHO "}\n",
    "// " BOM "\x01\xff\n" ECHO "}\n",
    "/* " BOM "\n\f\x01\xff */" ECHO "}\n",
    ECHO "socket_user = \"" BOM NBSP ZWSP RLO "\x01\x7f\xa0\xe2\x80\x9c\" }\n",
    ECHO "socket_user = '" BOM NBSP ZWSP RLO "\x01\x7f\xa0\xe2\x80\x9c' }\n",
    ECHO "socket_user = caf\xc3\xa9 }\r\n",
};

static void test_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(good); i++) {
        static const struct want nothing[WANTS_MAX];
        struct problems problems = {0};
        struct config *config;

        config_dir_write("main.conf", good[i], strlen(good[i]));
        config = config_load(config_dir_path("main.conf"), handlers, &problems);
        check_true(good[i], config_wants(good[i], &problems, nothing));
        (void)config_unref(config);
        problems_done(&problems);
    }
}

// Many of them, in one line and in many, take no time and no room.
static void test_many(void **state)
{
    static char text[900 * 1024];
    struct problems problems = {0};
    uint64_t start = used_usec();

    (void)state;
    for (size_t i = 0; i + 3 <= sizeof(text); i += 3)
        memcpy(text + i, i < sizeof(text) / 2 ? ZWSP : "\x01x\n", 3);
    config_dir_write("main.conf", text, sizeof(text));
    (void)config_unref(config_read(config_dir_path("main.conf"), handlers, &problems));
    check_number("many", problems.n, PROBLEMS_MAX);
    problems_done(&problems);
    check_true("at once", used_usec() - start < 10 * USEC_PER_SEC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rows, config_dir_make, config_dir_remove),
        cmocka_unit_test_setup_teardown(test_other_files, config_dir_make, config_dir_remove),
        cmocka_unit_test_setup_teardown(test_good, config_dir_make, config_dir_remove),
        cmocka_unit_test_setup_teardown(test_many, config_dir_make, config_dir_remove),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
