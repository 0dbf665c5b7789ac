// SPDX-License-Identifier: MIT
// config.c over more than one file: include() relative to the file that says so, FILE.d/*.conf in
// the order of their names, and mistakes told with the file and line where they stand.

#include <sys/wait.h>

#include "config_wants.h"

#define FILES_MAX 4
#define ECHO      "service \"e\" { handler = \"echo\" "
#define HELLO     "service \"h\" { handler = \"hello\" "

// A text with its size, for those with NULs in it.
#define TEXT(text) text, sizeof(text) - 1

struct written {
    const char *name, *text;
    size_t size;
};

static const struct {
    const char *name;
    struct written files[FILES_MAX];
    struct want wants[WANTS_MAX];
} rows[] = {
    {"no file", {{0}}, {{"main.conf: ", "cannot be read: No such file"}}},
    {"a directory", {{"main.conf/x", TEXT("")}}, {{"main.conf: ", "cannot be read: Is a dir"}}},
    {"NUL",
     {{"main.conf", TEXT("# a\0b\n" ECHO "}\n")}},
     {{"main.conf: ", "cannot be read: holds a NUL byte"}}},
    {"NUL at the end", {{"main.conf", TEXT(ECHO "}\n\0")}}, {{"main.conf: ", "holds a NUL byte"}}},
    {"no main file, but others",
     {{"main.conf.d/1.conf", TEXT(ECHO "}\n")}},
     {{"main.conf: ", "cannot be read: No such file"}}},

    {"mistake in an included file",
     {{"main.conf", TEXT("include(\"inc.conf\")\n\nstop_timeout = 0x\n")},
      {"inc.conf", TEXT("\n" ECHO "\n backlog = 0\n}\n")}},
     {{"inc.conf:3: ", "backlog"}, {"main.conf:3: ", "stop_timeout"}}},
    {"unknown option in an included file",
     {{"main.conf", TEXT("include(\"inc.conf\")\n")}, {"inc.conf", TEXT(ECHO "\n colour = 1 }\n")}},
     {{"inc.conf:2: ", "there is no option colour"}}},
    {"unknown global options in an included file, and one behind it",
     {{"main.conf", TEXT("include(\"inc.conf\")\ncolour = 1\n" ECHO "}\n")},
      {"inc.conf", TEXT("a1 = 1 a2 = 2 a3 = 3 a4 = 4 a5 = 5\n")}},
     {{"inc.conf:1: ", "no option a1"},
      {"inc.conf:1: ", "no option a2"},
      {"inc.conf:1: ", "no option a3"},
      {"inc.conf:1: ", "no option a4"},
      {"inc.conf:1: ", "no option a5"},
      {"main.conf:2: ", "no option colour"}}},
    {"missing brace in an included file",
     {{"main.conf", TEXT("include(\"inc.conf\")\n" HELLO "}\n")},
      {"inc.conf", TEXT(ECHO "\n backlog = 1\n")}},
     {{"inc.conf:", "service \"e\""}}},
    {"missing brace at the very end, included",
     {{"main.conf", TEXT("include(\"inc.conf\")\n")}, {"inc.conf", TEXT(ECHO "\n backlog = 1\n")}},
     {{"inc.conf:2: ", "a } is missing at the end: service \"e\""}}},
    {"a brace too many in an included file",
     {{"main.conf", TEXT("include(\"inc.conf\")\n" HELLO "}\n")},
      {"inc.conf", TEXT(ECHO "}\n}\n")}},
     {{"inc.conf:2: ", ""}}},
    {"a string left open in an included file",
     {{"main.conf", TEXT("include(\"inc.conf\")\n" HELLO "}\n")},
      {"inc.conf", TEXT(ECHO "\n socket_user = \"abc\n}\n")}},
     {{"inc.conf:", ""}}},
    {"a comment left open in an included file",
     {{"main.conf", TEXT("include(\"inc.conf\")\n" HELLO "}\n")},
      {"inc.conf", TEXT(ECHO "}\n/* abc\n")}},
     {{"inc.conf:", ""}}},
    {"NUL in an included file",
     {{"main.conf", TEXT("include(\"inc.conf\")\n")}, {"inc.conf", TEXT("# a\0b\n" ECHO "}\n")}},
     {{"", "inc.conf"}}},
    {"missing included file",
     {{"main.conf", TEXT("\ninclude(\"nosuch\")\n" ECHO "}\n")}},
     {{"main.conf:2: ", "nosuch cannot be read: No such file"}}},
    {"include of itself",
     {{"main.conf", TEXT("include(\"main.conf\")\n")}},
     {{"main.conf:1: ", "includes itself"}}},
    {"include of nothing",
     {{"main.conf", TEXT("\ninclude()\n" ECHO "}\n")}},
     {{"main.conf:2: ", "include("}}},
    {"include of two",
     {{"main.conf", TEXT("include(\"a\", \"b\")\n" ECHO "}\n")}},
     {{"main.conf:1: ", "include("}}},
    {"include of an empty name",
     {{"main.conf", TEXT("include(\"\")\n" ECHO "}\n")}},
     {{"main.conf:1: ", ""}}},
    {"include of a directory",
     {{"main.conf", TEXT("include(\"sub\")\n" ECHO "}\n")}, {"sub/x", TEXT("")}},
     {{"main.conf:1: ", ""}}},

    {"a global option before and behind an include",
     {{"main.conf",
       TEXT("stop_timeout = 1s\ninclude(\"inc.conf\")\nstop_timeout = 2s\n" ECHO "}\n")},
      {"inc.conf", TEXT("\n\n\nstop_timeout = 3s\n")}},
     {{"main.conf:3: ", "stop_timeout is given twice; the first is at line 1"}}},
    {"a service twice, once included",
     {{"main.conf", TEXT("include(\"inc.conf\")\n" ECHO "}\n")}, {"inc.conf", TEXT(ECHO "}\n")}},
     {{"main.conf:2: ", "service \"e\" is configured twice"}}},

    {"mistakes in drop-ins, in order",
     {{"main.conf.d/20.conf", TEXT("\nstop_timeout = a\n")},
      {"main.conf.d/10.conf", TEXT("stop_timeout = b\n")},
      {"main.conf", TEXT(ECHO "backlog = 0 }\n")}},
     {{"main.conf:1: ", "backlog"},
      {"main.conf.d/10.conf:1: ", "\"b\""},
      {"main.conf.d/20.conf:2: ", "\"a\""}}},
    {"bad syntax in one, mistakes in the next",
     {{"main.conf.d/1.conf", TEXT(HELLO)},
      {"main.conf.d/2.conf", TEXT("log_sessions = 1\n")},
      {"main.conf", TEXT(ECHO "\n colour = 1 }\n")}},
     {{"main.conf:2: ", "colour"},
      {"main.conf.d/1.conf:1: ", "service \"h\", which begins at line 1, is not closed"},
      {"main.conf.d/2.conf:1: ", "log_sessions"}}},
    {"a drop-in that is a directory",
     {{"main.conf.d", NULL, 0}, {"main.conf.d/1.conf", NULL, 0}, {"main.conf", TEXT(ECHO "}\n")}},
     {{"main.conf.d/1.conf: ", "cannot be read: Is a directory"}}},
    {"NUL in a drop-in",
     {{"main.conf.d/1.conf", TEXT("\0")}, {"main.conf", TEXT(ECHO "}\n")}},
     {{"main.conf.d/1.conf: ", "holds a NUL byte"}}},
    {"a service twice in two files",
     {{"main.conf.d/1.conf", TEXT("\n" ECHO "}\n")}, {"main.conf", TEXT(ECHO "}\n")}},
     {{"main.conf.d/1.conf:2: ", "service \"e\" is configured twice"}}},
    {"an address twice in two files",
     {{"main.conf.d/1.conf", TEXT(HELLO "\n listen = {\"h:7\"} }\n")},
      {"main.conf", TEXT(ECHO "listen = {\"h:7\"} }\n")}},
     {{"main.conf.d/1.conf:2: ", "listen = \"h:7\" is taken by service \"e\" at line 1"}}},
    {"an option of a service in the next file",
     {{"main.conf.d/1.conf", TEXT("backlog = 5\n")}, {"main.conf", TEXT(ECHO)}},
     {{"main.conf:1: ", "service \"e\", which begins at line 1, is not closed"},
      {"main.conf.d/1.conf:1: ", "backlog"}}},
};

static void write_files(const struct written *files)
{
    for (size_t i = 0; i < FILES_MAX && files[i].name; i++)
        if (files[i].text)
            config_dir_write(files[i].name, files[i].text, files[i].size);
        else
            assert_int_equal(mkdir(config_dir_path(files[i].name), 0700), 0);
}

// In children: a library that ends the process must not end the tests.
static void test_rows(void **state)
{
    size_t n_wrong = 0;

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        int status = -1;
        pid_t pid;

        assert_int_equal(config_dir_make(state), 0);
        write_files(rows[i].files);
        pid = fork();
        if (pid == 0)
            _exit(config_refused(rows[i].name, rows[i].wants) ? 42 : 43);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(config_dir_remove(state), 0);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 42)
            continue;
        n_wrong++;
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 43)
            print_error("%s: config_load() ended the process, wait status 0x%x\n", rows[i].name,
                        (unsigned)status);
    }
    check_number("rows that fail", n_wrong, 0);
}

// The configuration, NULL after saying what is wrong with it.
static struct config *load_good(const char *row)
{
    static const struct want nothing[WANTS_MAX];
    struct problems problems = {0};
    struct config *config = config_load(config_dir_path("main.conf"), handlers, &problems);

    (void)config_wants(row, &problems, nothing);
    problems_done(&problems);
    return config;
}

// What files are read and in which order, told by the services' names.
static const struct {
    const char *name;
    struct written files[FILES_MAX];
    const char *services;
} orders[] = {
    {"included where it stands",
     {{"main.conf", TEXT(ECHO "}\ninclude(\"inc.conf\")\nservice z { handler = time }\n")},
      {"inc.conf", TEXT(HELLO "}\n")}},
     "e h z "},
    {"included, without a newline at its end",
     {{"main.conf", TEXT("include(\"inc.conf\")\n" ECHO "}")}, {"inc.conf", TEXT(HELLO "}")}},
     "h e "},
    {"relative to the file that says so",
     {{"main.conf", TEXT("include(\"sub/a.conf\")\n")},
      {"sub/a.conf", TEXT(ECHO "}\ninclude(\"b.conf\")\ninclude(\"../c.conf\")\n")},
      {"sub/b.conf", TEXT(HELLO "}\n")},
      {"c.conf", TEXT("service z { handler = time }\n")}},
     "e h z "},
    {"drop-ins by name, behind the file",
     {{"main.conf.d/b.conf", TEXT("service b { handler = time }\n")},
      {"main.conf.d/a.conf", TEXT("service a { handler = time }\n")},
      {"main.conf", TEXT(ECHO "}\n")},
      {"main.conf.d/10-c.conf", TEXT("service c { handler = time }\n")}},
     "e c a b "},
    {"drop-ins alone have services",
     {{"main.conf.d/a.conf", TEXT(HELLO "}\n")}, {"main.conf", TEXT("stop_timeout = 1s\n")}},
     "h "},
    {"other names are not read",
     {{"main.conf", TEXT(ECHO "}\n")},
      {"main.conf.d/a.conf.bak", TEXT("!")},
      {"main.conf.d/.b.conf", TEXT("!")},
      {"main.conf.d/conf", TEXT("!")}},
     "e "},
    {"a drop-in includes beside itself",
     {{"main.conf", TEXT(ECHO "}\n")},
      {"main.conf.d/a.conf", TEXT("include(\"more\")\n")},
      {"main.conf.d/more", TEXT(HELLO "}\n")}},
     "e h "},
    {"an included file is changed by the one that includes it",
     {{"main.conf", TEXT("include(\"inc.conf\")\nstop_timeout = 2s\n" ECHO "}\n")},
      {"inc.conf", TEXT("stop_timeout = 3s\n")}},
     "e "},
    {"a drop-in changes a global option",
     {{"main.conf", TEXT("stop_timeout = 1s\n" ECHO "}\n")},
      {"main.conf.d/a.conf", TEXT("stop_timeout = 2s\n")}},
     "e "},
};

static void test_orders(void **state)
{
    size_t n_wrong = 0;

    (void)state;
    for (size_t i = 0; i < ELEMENTS(orders); i++) {
        struct config *config;
        char names[64] = "";

        assert_int_equal(config_dir_make(state), 0);
        write_files(orders[i].files);
        config = load_good(orders[i].name);
        assert_int_equal(config_dir_remove(state), 0);
        if (!config) {
            n_wrong++;
            continue;
        }
        for (size_t s = 0; s < config->n_services; s++)
            (void)snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s ",
                           config->services[s].name);
        check_text(orders[i].name, names, orders[i].services);
        (void)config_unref(config);
    }
    check_number("rows that are refused", n_wrong, 0);
}

static void test_include_absolute(void **state)
{
    struct config *config;
    char text[512];
    int n = snprintf(text, sizeof(text), "include(\"%s\")\n", config_dir_path("elsewhere/x"));

    (void)state;
    config_dir_write("main.conf", text, (size_t)n);
    config_dir_write("elsewhere/x", TEXT(HELLO "}\n"));
    config = load_good("absolute");
    assert_non_null(config);
    check_text("absolute", config->services[0].name, "h");
    (void)config_unref(config);
}

// 1 MiB is read, a byte more is not.
static void test_length(void **state)
{
    static const struct want wants[WANTS_MAX] = {{"main.conf: ", "longer than 1 MiB"}};
    static char text[1024 * 1024 + 1];
    struct config *config;

    (void)state;
    memset(text, '#', sizeof(text));
    memcpy(text, ECHO "}\n", strlen(ECHO "}\n"));
    config_dir_write("main.conf", text, sizeof(text) - 1);
    config = load_good("the longest");
    assert_non_null(config);
    (void)config_unref(config);
    config_dir_write("main.conf", text, sizeof(text));
    check_true("a byte more", config_refused("a byte more", wants));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_orders),
        cmocka_unit_test_setup_teardown(test_include_absolute, config_dir_make, config_dir_remove),
        cmocka_unit_test_setup_teardown(test_length, config_dir_make, config_dir_remove),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
