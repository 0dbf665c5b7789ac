// SPDX-License-Identifier: MIT
// config.c: every mistake in one file is told with its line and with what is allowed, all of them
// in one go, each once. Mistakes between files are test_config_files.c's.

#include "config_wants.h"

#define ECHO "service \"e\" { handler = \"echo\" "

static const struct {
    const char *name, *text;
    struct want wants[WANTS_MAX];
} rows[] = {
    {"unknown option",
     ECHO "\n  colour = \"red\"\n}\n",
     {{"main.conf:2: ", "there is no option colour"}}},
    {"unknown global option",
     "colour = \"red\"\n" ECHO "}\n",
     {{"main.conf:1: ", "there is no option colour"}}},
    {"unknown section",
     ECHO "}\nserver \"x\" { }\n",
     {{"main.conf:2: ", "there is no section server"}}},
    {"a global option in a service",
     ECHO "\n stop_timeout = 5s }\n",
     {{"main.conf:2: ", "stop_timeout belongs before the services"}}},
    {"a service's option outside",
     ECHO "}\nidle_timeout = 5s\n",
     {{"main.conf:2: ", "idle_timeout belongs in a service"}}},
    {"include in a service", ECHO "\ninclude(\"x\") }\n", {{"main.conf:2: ", "include"}}},

    {"a word for a number",
     ECHO "\n min_workers = many }\n",
     {{"main.conf:2: ", "min_workers = \"many\" is not allowed; a whole number from 1 to 30000"}}},
    {"a fraction", ECHO "\n min_workers = 1.5 }\n", {{"main.conf:2: ", "from 1 to 30000"}}},
    {"below the range",
     ECHO "\n\n min_workers = 0 }\n",
     {{"main.conf:3: ", "min_workers = \"0\" is not allowed; a whole number from 1 to 30000"}}},
    {"above the range",
     ECHO "\n backlog = 65536\n}\n",
     {{"main.conf:2: ", "backlog = \"65536\" is not allowed; a whole number from 1 to 65535"}}},
    {"far above the range", ECHO "\n backlog = 4294967297 }\n", {{"main.conf:2: ", "65535"}}},
    {"below zero", ECHO "\n spare_workers = -1 }\n", {{"main.conf:2: ", "from 0 to 30000"}}},
    {"bad time",
     ECHO "\n idle_timeout = \"soon\" }\n",
     {{"main.conf:2: ", "idle_timeout = \"soon\" is not a time; write 500ms, 30s, 5min, 2h or 0"}}},
    {"time too long",
     ECHO "\n idle_timeout = 99999999d }\n",
     {{"main.conf:2: ", "idle_timeout = \"99999999d\" is too long; at most 36500d"}}},
    {"bad global time",
     "stop_timeout = \"\"\n" ECHO "}\n",
     {{"main.conf:1: ", "stop_timeout = \"\" is not a time"}}},
    {"bad choice",
     "log_sessions = some\n" ECHO "}\n",
     {{"main.conf:1: ", "log_sessions = \"some\" is not allowed; one of: none, errors, all"}}},
    {"bad form",
     "log_sessions_form = json\n" ECHO "}\n",
     {{"main.conf:1: ", "log_sessions_form = \"json\" is not allowed; one of: entries, lines"}}},
    {"bad slow time",
     ECHO "\n slow_session = -1 }\n",
     {{"main.conf:2: ", "slow_session = \"-1\" is not a time"}}},
    {"slow for all of tcpd", "slow_session = 1s\n" ECHO "}\n", {{"main.conf:1: ", "slow_session"}}},
    {"form of a service",
     ECHO "\n log_sessions_form = lines }\n",
     {{"main.conf:2: ", "log_sessions_form"}}},
    {"bad handler",
     "service \"x\" {\n handler = \"http\"\n}\n",
     {{"main.conf:2: ", "\"http\" is not a handler; one of: agent"}}},
    {"bad mode",
     ECHO "\n socket_mode = 0888 }\n",
     {{"main.conf:2: ", "octal number from 0 to 0777"}}},

    {"address without port",
     ECHO "\n listen = {\"127.0.0.1\"} }\n",
     {{"main.conf:2: ", "listen = \"127.0.0.1\": the port is missing"}}},
    {"port alone", ECHO "listen = {\"7\"} }\n", {{"main.conf:1: ", "the port is missing"}}},
    {"IPv6 without brackets",
     ECHO "listen = {\"::1:7\"} }\n",
     {{"main.conf:1: ", "an IPv6 address needs brackets"}}},
    {"port too high",
     ECHO "listen = {\"h:65536\"} }\n",
     {{"main.conf:1: ", "a port is a number from 0 to 65535"}}},
    {"relative path", ECHO "listen = {\"unix:x\"} }\n", {{"main.conf:1: ", "absolute path"}}},
    {"empty address", ECHO "listen = {\"\"} }\n", {{"main.conf:1: ", "the port is missing"}}},
    {"a bad address first",
     ECHO "listen = {\n\"bad\",\n\"127.0.0.1:7\"} }\n",
     {{"main.conf:2: ", "listen = \"bad\": the port is missing"}}},
    {"a bad address last",
     ECHO "listen = {\n\"127.0.0.1:7\",\n\"bad\"\n} }\n",
     {{"main.conf:3: ", "listen = \"bad\": the port is missing"}}},
    {"two bad addresses",
     ECHO "listen = {\n\"bad\",\n\"worse\"\n} }\n",
     {{"main.conf:2: ", "\"bad\""}, {"main.conf:3: ", "\"worse\""}}},

    {"duplicate option",
     ECHO "\n backlog = 1\n backlog = 2 }\n",
     {{"main.conf:3: ", "backlog is given twice; the first is at line 2"}}},
    {"duplicate option, same value",
     ECHO "\n backlog = 1\n backlog = 1 }\n",
     {{"main.conf:3: ", "backlog is given twice; the first is at line 2"}}},
    {"duplicate global option",
     "stop_timeout = 1s\nstop_timeout = 2s\n" ECHO "}\n",
     {{"main.conf:2: ", "stop_timeout is given twice; the first is at line 1"}}},
    {"duplicate handler",
     ECHO "\n handler = \"echo\" }\n",
     {{"main.conf:2: ", "handler is given twice; the first is at line 1"}}},
    {"duplicate listen",
     ECHO "\n listen = {\"h:1\"}\n listen = {\"h:2\"} }\n",
     {{"main.conf:3: ", "listen is given twice; the first is at line 2"}}},
    {"duplicate listen, same value",
     ECHO "\n listen = {\"h:1\"}\n listen = {\"h:1\"} }\n",
     {{"main.conf:3: ", "listen is given twice; the first is at line 2"}}},
    {"duplicate listen, then more",
     ECHO "\n listen = {\"h:1\"}\n listen = {\"h:2\", \"h:3\"} }\n",
     {{"main.conf:3: ", "listen is given twice; the first is at line 2"}}},
    {"duplicate listen, then empty",
     ECHO "\n listen = {\"h:1\"}\n listen = {} }\n",
     {{"main.conf:3: ", "listen is given twice; the first is at line 2"}}},
    {"duplicate service",
     ECHO "}\n" ECHO "\n}\n",
     {{"main.conf:2: ", "service \"e\" is configured twice; the first is at /tmp/tcpd-test"}}},
    {"duplicate address in a list",
     ECHO "\n listen = {\"h:7\",\n \"h:7\"} }\n",
     {{"main.conf:3: ", "listen = \"h:7\" is taken by service \"e\" at line 2"}}},
    {"duplicate address of two",
     ECHO "listen = {\"h:7\"} }\n"
          "service \"f\" { handler = \"echo\"\n listen = {\"h:8\", \"h:7\"} }\n",
     {{"main.conf:3: ", "listen = \"h:7\" is taken by service \"e\" at line 1"}}},
    {"duplicate path",
     ECHO "listen = {\"unix:/run/x\", \"unix:/run/x\"} }\n",
     {{"main.conf:1: ", "listen = \"unix:/run/x\" is taken by service \"e\" at line 1"}}},
    {"duplicate path of two types",
     ECHO "listen = {\"unix:/run/x\",\n \"unix-seqpacket:/run/x\"} }\n",
     {{"main.conf:2: ", "listen = \"unix-seqpacket:/run/x\" is taken by service \"e\" at line 1"}}},
    {"duplicate address, spoken to in two ways",
     ECHO "listen = {\"h:7\",\n \"ws:h:7\"} }\n",
     {{"main.conf:2: ", "listen = \"ws:h:7\" is taken by service \"e\" at line 1"}}},
    {"one port of UDP twice",
     ECHO "listen = {\"udp:*:7\", \"*:7\",\n \"udp:h:7\"} }\n",
     {{"main.conf:2: ", "listen = \"udp:h:7\" is taken by service \"e\" at line 1"}}},
    {"TLS",
     ECHO "listen = {\"tls:h:7\",\n \"wss:h:8\"} }\n",
     {{"main.conf:1: ", "listen = \"tls:h:7\": service \"e\" has no certificates"}}},
    {"a path of both",
     ECHO "listen = {\"unix:/run/x\",\n \"unix-dgram:/run/x\"} }\n",
     {{"main.conf:2: ", "listen = \"unix-dgram:/run/x\" is taken by service \"e\""}}},
    {"a buffer without end",
     ECHO "\n listen = {\"udp:*:7\"}\n receive_buffer = infinity }\n",
     {{"main.conf:3: ", "receive_buffer of service \"e\" must be between 0 and 1G"}}},
    {"a prefix and a port",
     ECHO "\n listen = {\"udp:7007\"} }\n",
     {{"main.conf:2: ", "\"udp:7007\": needs an address behind it, such as udp:127.0.0.1:7007"}}},

    {"missing handler",
     "service \"x\" {\n backlog = 1\n}\n",
     {{"main.conf:3: ", "service \"x\" has no handler; one of: agent, chargen"}}},
    {"option of another handler",
     ECHO "\n message = \"x\"\n}\n",
     {{"main.conf:2: ", "message belongs to handler \"greeting\", and service \"e\" has handler"}}},
    {"options of other handlers",
     ECHO "\n framing = line\n format = iso8601\n}\n",
     {{"main.conf:2: ", "framing belongs to handler \"hello\""},
      {"main.conf:3: ", "format belongs to handler \"daytime\""}}},
    {"min above max",
     ECHO "\n min_workers = 9\n max_workers = 8\n}\n",
     {{"main.conf:2: ", "min_workers = 9 of service \"e\" is above max_workers = 8"}}},
    {"spare above max",
     ECHO "\n max_workers = 8\n spare_workers = 9\n}\n",
     {{"main.conf:3: ", "spare_workers = 9 of service \"e\" is above max_workers = 8"}}},

    {"missing closing brace",
     ECHO "\n backlog = 1\n",
     {{"main.conf:2: ",
       "a } is missing at the end: service \"e\", which begins at line 1, is not closed"}}},
    {"missing closing brace, no newline",
     ECHO "\n backlog = 1",
     {{"main.conf:2: ",
       "a } is missing at the end: service \"e\", which begins at line 1, is not closed"}}},
    {"missing closing brace between",
     ECHO "\n backlog = 1\n service \"f\" { handler = \"echo\" }\n",
     {{"main.conf:3: ", "service"}}},
    {"missing closing brace of a list",
     ECHO "\n listen = {\"h:7\"\n",
     {{"main.conf:2: ", "the list of listen, which begins at line 2, is not closed"},
      {"main.conf:2: ", "service \"e\", which begins at line 1, is not closed"}}},
    {"a list for a value",
     ECHO "\n backlog = {1, 2} }\n",
     {{"main.conf:2: ", "backlog takes one value, without braces"}}},
    {"lists for values, and more that is wrong",
     ECHO "\n backlog = {'0', \"}\", # }\n 5}\n stop_timeout = 1s\n max_workers = {}\n}\n",
     {{"main.conf:2: ", "backlog takes one value"},
      {"main.conf:2: ", "backlog = \"0\" is not allowed"},
      {"main.conf:4: ", "stop_timeout belongs before the services"},
      {"main.conf:5: ", "max_workers takes one value"}}},
    {"a list for the file's option",
     "stop_timeout = { 1s }\n" ECHO "}\n",
     {{"main.conf:1: ", "stop_timeout takes one value, without braces"}}},
    {"a list for an unknown option",
     ECHO "\n permit = {\"x\"}\n backlog = 0\n}\n",
     {{"main.conf:2: ", "there is no option permit; tcpd.conf(5) lists all"},
      {"main.conf:3: ", "backlog"}}},
    {"a list for an unknown option over lines",
     ECHO "\n permit +=\n { # first\n 'x', /* } */\n \"y\",\n}\n backlog = 0\n}\n",
     {{"main.conf:2: ", "there is no option permit"}, {"main.conf:7: ", "backlog"}}},
    {"an empty list for an unknown option",
     ECHO "\n permit = {}\n backlog = 0\n}\n",
     {{"main.conf:2: ", "there is no option permit"}, {"main.conf:3: ", "backlog"}}},
    {"a list for an unknown option that is not closed",
     ECHO "\n permit = {\"x\"\n}\nservice \"f\" { handler = echo backlog = 0 }\n",
     {{"main.conf:2: ", "there is no option permit"},
      {"main.conf:4: ", "a } is missing before this: service \"e\""},
      {"main.conf:4: ", "backlog"}}},
    {"a name misspelt",
     ECHO "\n idle_timout = 5s\n}\n",
     {{"main.conf:2: ", "there is no option idle_timout; did you mean idle_timeout?"}}},
    {"a handler's name misspelt, before the handler",
     "service \"h\" {\n frameing = line handler = hello\n}\n",
     {{"main.conf:2: ", "there is no option frameing; did you mean framing?"}}},
    {"a name misspelt outside",
     "stop_timout = 5s\nmax_worker = 5\n" ECHO "}\n",
     {{"main.conf:1: ", "there is no option stop_timout; did you mean stop_timeout?"},
      {"main.conf:2: ", "there is no option max_worker; did you mean max_workers?"}}},
    {"a list with its name misspelt",
     ECHO "\n lisen = {\"h:1\"}\n}\n",
     {{"main.conf:2: ", "there is no option lisen; did you mean listen?"}}},
    {"words", "this is not a configuration\n", {{"main.conf:1: ", ""}}},
    {"a word at the end", ECHO "}\ncolour\n", {{"main.conf:2: ", "there is no option colour"}}},
    {"a word before an option",
     ECHO "\n colour\n\n backlog = 1 }\n",
     {{"main.conf:2: ", "colour"}}},
    {"missing handler and brace",
     "service \"e\" {\n backlog = 1\n",
     {{"main.conf:2: ", "a } is missing"}, {"main.conf:2: ", "has no handler"}}},
    {"a star without quotes", ECHO "\n listen = {*:7} }\n", {{"main.conf:2: ", "needs quotes"}}},
    {"a plus without quotes",
     ECHO "\n idle_timeout = 5s+1s }\n",
     {{"main.conf:2: ", "needs quotes"}}},
    {"unterminated string",
     ECHO "\n socket_user = \"abc\n}\n",
     {{"main.conf:2: ", "the quote that opens here is not closed"}}},
    {"unterminated single quotes",
     ECHO "\n socket_user = 'abc\n}\n",
     {{"main.conf:2: ", "the quote that opens here is not closed"}}},
    {"unterminated comment", ECHO "}\n/* abc\n", {{"main.conf:", ""}}},
    {"empty", "", {{"main.conf:1: ", "no service is configured"}}},
    {"only global", "stop_timeout = 1s\n", {{"main.conf:1: ", "no service is configured"}}},
    {"only comments", "# nothing\n// nothing\n", {{"main.conf:1: ", "no service is configured"}}},

    {"behind comments with #", "# a\n# b\n" ECHO "}\ncolour = 1\n", {{"main.conf:4: ", "colour"}}},
    {"behind comments with //",
     "// a\n// b\n" ECHO "}\ncolour = 1\n",
     {{"main.conf:4: ", "colour"}}},
    {"behind a comment over lines",
     "/* a\n b\n */\n" ECHO "}\ncolour = 1\n",
     {{"main.conf:5: ", "colour"}}},
    {"behind a comment on the line", "/* a */ colour = 1\n", {{"main.conf:1: ", "colour"}}},
    {"behind a comment behind an option",
     ECHO "\n backlog = 1 # a\n\n colour = 1 }\n",
     {{"main.conf:4: ", "colour"}}},
    {"behind a string over lines",
     ECHO "\n socket_user = \"a\n\nb\"\n colour = 1 }\n",
     {{"main.conf:5: ", "colour"}}},
    {"several",
     "stop_timeout = soon\nservice \"a b\" {\n backlog = 0\n listen = {\"h\"}\n"
     " min_workers = 3 max_workers = 2\n}\nservice \"c\" {\n handler = \"none\"\n}\n",
     {{"main.conf:1: ", "stop_timeout"},
      {"main.conf:3: ", "backlog"},
      {"main.conf:4: ", "listen"},
      {"main.conf:5: ", "min_workers"},
      {"main.conf:6: ", "\"a b\" is not a service name"},
      {"main.conf:6: ", "no handler"},
      {"main.conf:8: ", "\"none\" is not a handler"}}},
    {"a wrong value, then bad syntax",
     ECHO "\n backlog = 0\n colour = 1\n}\n",
     {{"main.conf:2: ", "backlog"}, {"main.conf:3: ", "colour"}}},
    {"bad syntax, then more of it, then a wrong value",
     ECHO "\n colour = 1\n}\nservice \"f\" {\n } }\nservice \"g\" { handler = echo backlog = 0 }\n",
     {{"main.conf:2: ", "colour"},
      {"main.conf:5: ", "this } closes nothing"},
      {"main.conf:5: ", "service \"f\" has no handler"},
      {"main.conf:6: ", "backlog"}}},
};

// What is right is there in spite of the mistakes.
static void test_read(void **state)
{
    static const char text[] =
        "service \"a\" { handler = echo listen = {\"127.0.0.1:1\"} }\n"
        "service \"b\" { handler = echo listen = {\"127.0.0.1:2\"\n"
        "service \"c\" { handler = nosuch listen = {*:3, \"127.0.0.1:4\"} }\n"
        "colour\n"
        "service \"d\" { handler = echo listen = {\"x\", \"127.0.0.1:5\"} }\n"
        "service \"e\" { handler = echo listen = {\"127.0.0.1:6\"} file = 'a";
    static const char *const want[] = {"a 127.0.0.1:1", "b 127.0.0.1:2", "c 127.0.0.1:4",
                                       "d 127.0.0.1:5", "e 127.0.0.1:6"};
    struct problems problems = {0};
    struct config *config;

    (void)state;
    config_dir_write("main.conf", text, strlen(text));
    config = config_read(config_dir_path("main.conf"), handlers, &problems);
    assert_true(problems.n >= 6);
    check_number("services", config->n_services, ELEMENTS(want));
    for (size_t i = 0; i < ELEMENTS(want); i++) {
        char got[128];

        check_number(want[i], config->services[i].listen.n, 1);
        (void)snprintf(got, sizeof(got), "%s %s", config->services[i].name,
                       config->services[i].listen.items[0].text);
        check_text("service", got, want[i]);
    }
    (void)config_unref(config);
    problems_done(&problems);
}

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

#define X16      "xxxxxxxxxxxxxxxx"
#define NAME_64  X16 X16 X16 X16
#define BAD_NAME "is not a service name; 1 to 64 of letters, digits, '.', '_', '-'"

static const struct {
    const char *name;
    bool good;
} names[] = {
    {"e", true},     {"echo-7", true},     {"a.b_c-D9", true}, {NAME_64, true},
    {"7", true},     {"", false},          {"a b", false},     {"a/b", false},
    {"a:b", false},  {NAME_64 "x", false}, {"a\tb", false},    {"caf\xc3\xa9", false},
    {"a%sb", false}, {"a,b", false},
};

static void test_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(names); i++) {
        static const struct want wants[WANTS_MAX] = {{"main.conf:2: ", BAD_NAME}};
        struct problems problems = {0};
        struct config *config;
        char text[256];
        int n = snprintf(text, sizeof(text), "service \"%s\" { handler = \"echo\"\n}\n",
                         names[i].name);

        config_dir_write("main.conf", text, (size_t)n);
        if (!names[i].good) {
            check_true(names[i].name, config_refused(names[i].name, wants));
            continue;
        }
        config = config_load(config_dir_path("main.conf"), handlers, &problems);
        check_true(names[i].name, config != NULL);
        check_text(names[i].name, config->services[0].name, names[i].name);
        (void)config_unref(config);
        problems_done(&problems);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rows, config_dir_make, config_dir_remove),
        cmocka_unit_test_setup_teardown(test_read, config_dir_make, config_dir_remove),
        cmocka_unit_test_setup_teardown(test_names, config_dir_make, config_dir_remove),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
