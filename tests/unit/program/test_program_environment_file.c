// SPDX-License-Identifier: MIT
// program_environment_file.c: what systemd's EnvironmentFile= reads, and what is refused instead of
// passed over. tests/system/systemd/container/test_service_environment.py compares with systemd.

#include "program/program_environment_file.h"
#include "unit.h"

#define ROW_MAX 6

static const struct {
    const char *name, *text;
    const char *wants[ROW_MAX];    // NAME=VALUE
    const char *problems[ROW_MAX]; // the line and a few words
} rows[] = {
    {"nothing", "", {0}, {0}},
    {"plain", "A=b\nC=d e\n", {"A=b", "C=d e"}, {0}},
    {"without an end", "A=b", {"A=b"}, {0}},
    {"empty", "A=\nB=\"\"\n", {"A=", "B="}, {0}},
    {"blanks", "  A = b  \t\n\n\tB=  c\n", {"A=b", "B=c"}, {0}},
    {"comments", "# x=y\n; x=y\n  #x\nA=b # c\n", {"A=b # c"}, {0}},
    {"CR LF", "A=b\r\nB=\"c\"\r\n", {"A=b", "B=c"}, {0}},
    {"quotes", "A=\"b c \"\nB='d \\e'\nC=\"x\"'y' \"z\"\n", {"A=b c ", "B=d \\e", "C=xyz"}, {0}},
    {"quotes within", "A=it's\nB=x\"y\"\nC='a'b\"c\"\n", {"A=it's", "B=x\"y\"", "C=ab\"c\""}, {0}},
    {"quoted lines", "A=\"b\nc\"\nB='d\ne'\n", {"A=b\nc", "B=d\ne"}, {0}},
    {"backslashes", "A=a\\b\\\\c\\ \nB=a\\\nb\n", {"A=ab\\c ", "B=ab"}, {0}},
    {"in double quotes", "A=\"\\$\\`\\\"\\\\\\n\\\nx\"\n", {"A=$`\"\\\\nx"}, {0}},
    {"no replacing", "A=$B ${C} %n\n", {"A=$B ${C} %n"}, {0}},
    {"equals", "A=b=c\n", {"A=b=c"}, {0}},
    {"a backslash at the end", "A=b\\", {"A=b"}, {0}},
    {"no variable", "A=b\nnothing\nC=d\n", {"A=b", "C=d"}, {"2: \"nothing\": write NAME=VALUE"}},
    {"no end", "A=b\n\nB=\"c\nd\n", {"A=b"}, {"3: \"B\": the quote does not end"}},
    {"refused", "A=b\n\nNO=x\n", {"A=b"}, {"3: \"NO\": said so"}},
};

static const char *why_not(const char *entry, const void *data)
{
    return strncmp(entry, "NO=", 3) == 0 ? data : NULL;
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct problems problems = {0};
        struct text_list list = {0};
        size_t n = 0, n_wrong = 0;

        environment_file_parse(rows[i].text, "file", why_not, "said so", &list, &problems);
        for (; n < ROW_MAX && rows[i].wants[n]; n++)
            check_text(rows[i].name, n < list.n ? list.items[n] : NULL, rows[i].wants[n]);
        check_number(rows[i].name, list.n, n);
        for (; n_wrong < ROW_MAX && rows[i].problems[n_wrong]; n_wrong++)
            check_true(rows[i].name,
                       n_wrong < problems.n && strncmp(problems.texts[n_wrong], "file:", 5) == 0);
        check_number(rows[i].name, problems.n, n_wrong);
        for (size_t j = 0; j < n_wrong; j++)
            check_text(rows[i].name, problems.texts[j] + 5, rows[i].problems[j]);
        text_list_done(&list);
        problems_done(&problems);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
