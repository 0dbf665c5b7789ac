// SPDX-License-Identifier: MIT
// ws_lines.c: messages to lines, pieces of text.

#include "transport/websocket/ws_lines.h"
#include "unit.h"

// "|" ends a message, "," a piece of it.
static void test_in(void **state)
{
    static const struct {
        const char *messages, *lines;
    } rows[] = {
        {"Michael|", "Michael\n"},
        {"Michael|Tracy|Sarah|", "Michael\nTracy\nSarah\n"},
        {"Mich,ael|", "Michael\n"},
        {"a\n|b|", "a\nb\n"},
        {"a\n,|b|", "a\nb\n"},
        {"a\n,b|", "a\nb\n"},
        {"|", "\n"},
        {"a\n||", "a\n\n"},
        {"a\nb|", "a\nb\n"},
        {"a\r\n|", "a\r\n"},
        {"unfinished,", "unfinished"},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct ws_line line = {0};
        char got[64] = "";

        for (const char *at = rows[i].messages; *at;) {
            size_t n = strcspn(at, "|,");

            strncat(got, at, n);
            if (ws_line_take(&line, (const uint8_t *)at, n, at[n] == '|'))
                strcat(got, "\n");
            at += n + 1;
        }
        check_text(rows[i].messages, got, rows[i].lines);
    }
}

static void test_text(void **state)
{
    (void)state;
    assert_int_equal(ws_text_length((const uint8_t *)"a\xce", 2, false), 1);
    assert_int_equal(ws_text_length((const uint8_t *)"a\xce", 2, true), 2);
    assert_int_equal(ws_text_length((const uint8_t *)"\xe1\xbd", 2, false), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in),
        cmocka_unit_test(test_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
