// SPDX-License-Identifier: MIT
// reader_grammar.c: habits of other languages, and what is missing or too much, each is told once,
// at its line and with what to write instead; the rest of the file is read all the same. What only
// looks like a mistake is taken.

#include "config_wants.h"

#define LINE_1 "main.conf:1: "
#define LINE_2 "main.conf:2: "
#define LINE_3 "main.conf:3: "
#define LINE_4 "main.conf:4: "
#define LINE_5 "main.conf:5: "
#define ECHO   "service \"e\" { handler = \"echo\"\n"
#define LATER \
    "service \"z\" { handler = echo\n backlog = 0 }\n" // so that a row tells if it is read

static const struct {
    const char *name, *text;
    struct want wants[WANTS_MAX];
} rows[] = {
    // --- nginx
    {"a semicolon behind a value in quotes",
     "service \"e\" {\n handler = \"echo\";\n}\n",
     {{LINE_2, "no ; belongs here, as nothing ends in one; delete it"}}},
    {"a semicolon behind a word", ECHO " backlog = 5; \n}\n", {{LINE_2, "no ; belongs here"}}},
    {"a semicolon between two options",
     ECHO " backlog=5;min_workers=0;\n}\n",
     {{LINE_2, "no ; belongs here"},
      {LINE_2, "no ; belongs here"},
      {LINE_2, "min_workers = \"0\" is not allowed"}}},
    {"a semicolon behind a list",
     ECHO " listen = {\"h:1\", \"h:2\"};\n}\n",
     {{LINE_2, "no ; belongs here"}}},
    {"a semicolon behind a section", ECHO "};\n" LATER, {{LINE_2, "no ;"}, {LINE_4, "backlog"}}},
    {"semicolons alone", ";\n" ECHO "}\n;;\n", {{LINE_1, "no ;"}, {LINE_4, "no ;"}}},
    {"no sign between name and value",
     ECHO " backlog 5\n min_workers 0;\n}\n",
     {{LINE_2, "a = is missing: write backlog = 5"},
      {LINE_3, "a = is missing: write min_workers = 0"},
      {LINE_3, "no ; belongs here"},
      {LINE_3, "min_workers = \"0\" is not allowed"}}},
    {"no sign before a list",
     ECHO " listen {\"h:1\"}\n}\n",
     {{LINE_2, "a = is missing: write listen = {"}}},

    // --- YAML, JSON
    {"a colon",
     "service \"e\" {\n handler: \"echo\"\n}\n",
     {{LINE_2, "write handler = VALUE, with = instead of the colon"}}},
    {"a colon without a space",
     ECHO " backlog:0\n}\n",
     {{LINE_2, "write backlog = VALUE"}, {LINE_2, "backlog = \"0\" is not allowed"}}},
    {"a colon behind a space", ECHO " backlog : 5\n}\n", {{LINE_2, "write backlog = VALUE"}}},
    {"a colon behind a name in quotes",
     ECHO " \"listen\": {\"h:1\"}\n}\n",
     {{LINE_2, "write listen = VALUE"}}},
    {"a colon and no value",
     ECHO " backlog:\n min_workers = 0\n}\n",
     {{LINE_2, "write backlog = VALUE, with ="},
      {LINE_2, "backlog has no value"},
      {LINE_3, "min_workers"}}},
    {"a comma behind an option",
     ECHO " backlog = 5,\n min_workers = \"0\",\n}\n",
     {{LINE_2, "no comma belongs here, as only a list has them; delete it"},
      {LINE_3, "no comma belongs here"},
      {LINE_3, "min_workers = \"0\""}}},
    {"a comma behind a section", ECHO "},\n" LATER, {{LINE_2, "no comma"}, {LINE_4, "backlog"}}},
    {"braces around all of it",
     "{\n" ECHO "}\n}\n" LATER,
     {{LINE_1, "there is no name in front of this {"}, {"main.conf:6: ", "backlog"}}},
    {"braces around all of a section",
     "service \"e\"\n{{ handler = echo\n}\n}\n" LATER,
     {{LINE_2, "there is no name in front of this {"}, {"main.conf:6: ", "backlog"}}},
    {"a list in brackets",
     ECHO " listen = [\"h:1\"]\n}\n",
     {{LINE_2, "a list is written in braces: listen = {VALUE, VALUE}"}}},
    {"a list of words in brackets",
     ECHO " listen = [h:1, [::1]:2,\n x];\n}\n" LATER,
     {{LINE_2, "a list is written in braces"},
      {LINE_3, "no ; belongs here"},
      {LINE_3, "listen = \"x\": the port is missing"},
      {"main.conf:6: ", "backlog"}}},
    {"a list with a bracket at its end",
     ECHO " listen = {\"h:1\"]\n}\n" LATER,
     {{LINE_2, "a list ends in }, not in ]"}, {LINE_5, "backlog"}}},
    {"a value in brackets",
     ECHO " backlog = [\n5]\n}\n",
     {{LINE_2, "backlog takes one value, without brackets"}}},

    // --- Lists
    {"no comma",
     ECHO " listen = {\"h:1\" \"h:2\"\n h:3}\n}\n",
     {{LINE_2, "a comma is missing before \"h:2\""}, {LINE_3, "a comma is missing before h:3"}}},
    {"semicolons for commas",
     ECHO " listen = {\"h:1\"; h:2;}\n}\n",
     {{LINE_2, "the values of a list have commas between them, no ;"},
      {LINE_2, "the values of a list have commas between them, no ;"}}},
    {"commas with nothing between",
     ECHO " listen = {,\"h:1\",, \"h:2\"}\n}\n",
     {{LINE_2, "there is no value in front of this comma"},
      {LINE_2, "there is no value in front of this comma"}}},
    {"a list in a list",
     ECHO " listen = {{\"h:1\"}, \"h:2\"}\n}\n" LATER,
     {{LINE_2, "no { belongs in a list; delete it"}, {LINE_5, "backlog"}}},
    {"an assignment in a list",
     "service \"e\" { handler = program program = {\"/bin/true\"}\n"
     " environment = {A=1, \"B=2\", C = 3 }\n}\n",
     {{LINE_2, "a value with = in it needs quotes: \"A=1\""},
      {LINE_2, "a value with = in it needs quotes: \"C = 3\""}}},
    {"no braces around several",
     ECHO " listen = \"h:1\", \"h:2\"\n backlog = 0\n}\n",
     {{LINE_2, "several values need braces: listen = {VALUE, VALUE}"}, {LINE_3, "backlog"}}},
    {"no end, an option behind it",
     ECHO " listen = {\"h:1\",\n \"x\"\n backlog = 0\n}\n" LATER,
     {{LINE_3, "a } is missing: the list of listen, which begins at line 2, is not closed"},
      {LINE_3, "listen = \"x\""},
      {LINE_4, "backlog"},
      {"main.conf:7: ", "backlog"}}},
    {"no end, an option behind it that does not exist",
     ECHO " listen = {\"h:1\"\n colour = 1\n}\n",
     {{LINE_2, "a } is missing: the list of listen"}, {LINE_3, "there is no option colour"}}},
    {"no end, and none of the section",
     ECHO " listen = {\"h:1\"\n" LATER,
     {{LINE_2, "a } is missing: the list of listen, which begins at line 2, is not closed"},
      {LINE_3, "a } is missing before this: service \"e\", which begins at line 1, is not closed"},
      {LINE_4, "backlog"}}},
    {"one value that is added", ECHO " backlog += 5\n}\n", {{LINE_2, "backlog takes one value"}}},

    // --- Words
    {"a time of two words",
     ECHO " idle_timeout = 5 minutes\n backlog = 0\n}\n",
     {{LINE_2, "a value of several words needs quotes: idle_timeout = \"5 minutes\""},
      {LINE_3, "backlog"}}},
    {"a text of several words",
     "service \"g\" { handler = greeting\n message = Hello, dear world! # 1\n}\n",
     {{LINE_2, "needs quotes: message = \"Hello, dear world!\""}}},
    {"a text with =",
     "service \"g\" { handler = greeting\n message = a=b=c d\n}\n",
     {{LINE_2, "needs quotes: message = \"a=b=c d\""}}},
    {"two values in quotes",
     ECHO " backlog = \"5\" \"6\"\n}\n",
     {{LINE_2, "backlog takes one value; delete \"6\""}}},
    {"two values in quotes for a list",
     ECHO " listen = \"h:1\" \"h:2\"\n}\n",
     {{LINE_2, "several values need braces: listen"}}},
    {"a variable in a word",
     ECHO " listen = {h:${TCPD_TEST}, \"h:2\"}\n}\n",
     {{LINE_2, "a value with ${NAME} in it needs double quotes: \"h:${TCPD_TEST}\""}}},
    {"two signs", ECHO " backlog = = 0\n}\n", {{LINE_2, "one = is enough"}, {LINE_2, "backlog"}}},
    {"a sign alone", ECHO " = 5\n}\n" LATER, {{LINE_2, "in front of this ="}, {LINE_5, "backlog"}}},
    {"parentheses", ECHO " (backlog = 0)\n}\n", {{LINE_2, "no ("}, {LINE_2, "no )"}, {LINE_2, ""}}},
    {"a line of prose",
     ECHO " this is not an option\n}\n" LATER,
     {{LINE_2, "there is no option this"}, {LINE_5, "backlog"}}},

    // --- What is missing
    {"a value",
     ECHO " backlog =\n min_workers = 0\n}\n",
     {{LINE_2, "backlog has no value; write backlog = VALUE"}, {LINE_3, "min_workers"}}},
    {"a value at the end of a section",
     ECHO " backlog = }\n" LATER,
     {{LINE_2, "backlog has no value"}, {LINE_4, "backlog = \"0\""}}},
    {"a value at the end", "stop_timeout =", {{LINE_1, "stop_timeout has no value"}}},
    {"a value and the sign",
     ECHO " backlog\n min_workers = 0 }\n",
     {{LINE_2, "has no value"}, {LINE_3, ""}}},
    {"a title",
     "service {\n handler = \"nosuch\"\n colour = 1\n}\n" LATER,
     {{LINE_1, "a service needs a name: write service \"NAME\" {"},
      {LINE_3, "there is no option colour"},
      {"main.conf:6: ", "backlog"}}},
    {"the brace that opens",
     "service \"e\"\n handler = \"echo\"\n}\n" LATER,
     {{LINE_1, "a { is missing: write service \"NAME\" {"}, {LINE_5, "backlog"}}},
    {"the brace that closes, before the next section",
     "service \"a\" {\n handler = \"echo\"\n\n\nservice b { handler = \"echo\"\n backlog = 0 }\n",
     {{LINE_5, "a } is missing before this: service \"a\", which begins at line 1, is not closed"},
      {"main.conf:6: ", "backlog"}}},
    {"the brace that closes, at the end",
     "stop_timeout = 1s\nservice a {\n handler = \"echo\"\n# a comment\n",
     {{LINE_3, "a } is missing at the end: service \"a\", which begins at line 2, is not closed"}}},

    // --- What is too much
    {"a brace", ECHO "}\n}\n" LATER, {{LINE_3, "this } closes nothing"}, {LINE_5, "backlog"}}},
    {"a second name",
     "service \"e\" \"f\" { handler = echo }\n" LATER,
     {{LINE_1, "a service has one name; delete \"f\""}, {LINE_3, "backlog"}}},
    {"a sign behind service",
     "service = \"e\" { handler = echo }\n" LATER,
     {{LINE_1, "write service \"NAME\" {, without ="}, {LINE_3, "backlog"}}},
    {"a section of an unknown kind",
     "servise \"e\" { handler = echo; { } backlog = 0 }\n" LATER,
     {{LINE_1, "there is no section servise; did you mean service?"}, {LINE_3, "backlog"}}},
    {"include in a section",
     ECHO " include(\"x\")\n backlog = 0\n}\n",
     {{LINE_2, "include(\"FILE\") belongs outside of a service"}, {LINE_3, "backlog"}}},
    {"include with a sign",
     "include = \"x\"\n" ECHO "}\n",
     {{LINE_1, "write include(\"FILE\"), once for each file"}}},
    {"include without parentheses", "include \"x\"\n" ECHO "}\n", {{LINE_1, "write include("}}},

    // --- Quotes
    {"no end, and more texts behind it",
     ECHO " listen = {\"h:1\"}\n socket_user = \"abc\n socket_group = \"def\"\n}\n"
          "service \"f\" { handler = \"echo\" }\n",
     {{LINE_3, "the quote that opens here is not closed"}}},
    {"no end in a list, and more texts behind it",
     "service \"e\" { handler = \"echo\"\n listen = {\"h:1}\n}\nservice \"f\" { handler = \"echo\" "
     "}\n",
     {{LINE_2, "the quote that opens here is not closed"}}},
    {"no end of two",
     "service \"e\" {\n handler = \"echo # a\n listen = {\"h:1\"}\n}\n"
     "service \"f\" {\n handler = \"echo\n listen = {\"h:2\"}\n}\n",
     {{LINE_2, "the quote that opens here is not closed"},
      {"main.conf:6: ", "the quote that opens here is not closed"}}},
    {"no end of a title",
     "service \"e {\n handler = \"echo\"\n}\n" LATER,
     {{LINE_1, "the quote that opens here is not closed"}, {LINE_5, "backlog"}}},
    {"no beginning",
     ECHO " socket_user = abc\"\n backlog = 0\n}\n",
     {{LINE_2, "the quote that opens here is not closed"}, {LINE_3, "backlog"}}},
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

// What is right, though it has signs of the above. The value of socket_user.
static const struct {
    const char *name, *text, *value;
} good[] = {
    {"a semicolon in quotes", ECHO "socket_user = \"a;\" }", "a;"},
    {"a semicolon within a word", ECHO "socket_user = a;b }", "a;b"},
    {"a colon at a word's end", ECHO "socket_user = a: }", "a:"},
    {"a word that is an option's name", ECHO "socket_user = backlog socket_group = a }", "backlog"},
    {"a word that is a section's name", ECHO "socket_user = service }", "service"},
    {"brackets", ECHO "socket_user = [a] listen = {[::1]:7} }", "[a]"},
    {"a text over lines that looks like options",
     ECHO "socket_user = \"try\nlisten = {\\\"h:1\\\"}\n}\" socket_group = \"a\" }",
     "try\nlisten = {\"h:1\"}\n}"},
    {"a name in quotes", ECHO "\"socket_user\" = \"a\" }", "a"},
    {"a value on the next line", ECHO "socket_user\n=\n\na\n}", "a"},
    {"nothing between", "service'e'{handler='echo'socket_user='a'listen={'h:1','h:2',}}", "a"},
    {"backslashes in a word", ECHO "socket_user = \\\\a\\n }", "\\\\a\\n"},
    {"a name of digits and a colon", "service 1:2 { handler = echo socket_user = a }", NULL},
};

static void test_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(good); i++) {
        struct problems problems = {0};
        struct config *config;

        config_dir_write("main.conf", good[i].text, strlen(good[i].text));
        config = config_load(config_dir_path("main.conf"), handlers, &problems);
        if (good[i].value) {
            check_true(good[i].name, config != NULL);
            check_text(good[i].name, config->services[0].socket_user, good[i].value);
        } else {
            check_number(good[i].name, problems.n, 1);
            check_true(good[i].name, strstr(problems.texts[0], "\"1:2\" is not a service name"));
        }
        (void)config_unref(config);
        problems_done(&problems);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rows, config_dir_make, config_dir_remove),
        cmocka_unit_test_setup_teardown(test_good, config_dir_make, config_dir_remove),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
