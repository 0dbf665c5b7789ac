// SPDX-License-Identifier: MIT
// top_state.c: what each key does.

#include "ctl/top_state.h"

#include <string.h>

#include "unit.h"

#define SEC USEC_PER_SEC

// Presses keys, one for each byte of text.
static enum top_action press(struct top_state *state, const char *text)
{
    enum top_action action = TOP_DRAW;

    for (; *text != '\0'; text++)
        action = top_state_take(state, (unsigned char)*text);
    return action;
}

static const char *describe(const struct top_state *state, char *text, size_t size)
{
    struct top_lines lines = {0};

    top_state_describe(state, &lines);
    check_number("lines", lines.n, 1);
    (void)snprintf(text, size, "%s", lines.lines[0].text);
    top_lines_done(&lines);
    return text;
}

static void test_keys(void **state)
{
    static const struct {
        const char *keys;
        enum top_action action;
        const char *wanted;
    } rows[] = {
        {"", TOP_DRAW, "every 2s"},
        {" ", TOP_DRAW, "paused"},
        {"  ", TOP_DRAW, "every 2s"},
        {"s", TOP_DRAW, "every 2s, by busy"},
        {"ss", TOP_DRAW, "every 2s, by rate"},
        {"S", TOP_DRAW, "every 2s, by failed"},
        {"sS", TOP_DRAW, "every 2s"},
        {"ssssssss", TOP_DRAW, "every 2s"},
        {"sr", TOP_DRAW, "every 2s, by busy, reversed"},
        {"rr", TOP_DRAW, "every 2s"},
        {"t", TOP_DRAW, "every 2s, since the start"},
        {"tsr ", TOP_DRAW, "paused, since the start, by busy, reversed"},
        {"+", TOP_PACE, "every 1s"},
        {"-", TOP_PACE, "every 4s"},
        {"++++++++", TOP_PACE, "every 100ms"},
        {"--------------", TOP_PACE, "every 1h"},
        {"/", TOP_DRAW, "Only what has: _"},
        {"/quiz", TOP_DRAW, "Only what has: quiz_"},
        {"/quiz\r", TOP_DRAW, "every 2s, only \"quiz\""},
        {"/q q\n", TOP_DRAW, "every 2s, only \"q q\""},
        {"/quiz\b\x7f\r", TOP_DRAW, "every 2s, only \"qu\""},
        {"/\b\r", TOP_DRAW, "every 2s"},
        {"/quiz\x15z\r", TOP_DRAW, "every 2s, only \"z\""},
        {"/a\x01\x1f\r", TOP_DRAW, "every 2s, only \"a\""},
        {"/quiz\r/x\r", TOP_DRAW, "every 2s, only \"quizx\""},
        {"q", TOP_QUIT, "every 2s"},
        {"Q", TOP_QUIT, "every 2s"},
        {"\x0c", TOP_REPAINT, "every 2s"},
        {"x\x01\x04\xff", TOP_DRAW, "every 2s"},
        {"hs", TOP_DRAW, "every 2s"}, // any key ends the help, and does nothing else
        {"hss", TOP_DRAW, "every 2s, by busy"},
        {"hq", TOP_QUIT, "every 2s"},
        {"l", TOP_LOOK, "every 2s"},
        {"k", TOP_DRAW, "End the session with the ID: _"},
        {"k48211.317", TOP_DRAW, "End the session with the ID: 48211.317_"},
        {"k48211.317\r", TOP_DRAW, "End the session 48211.317? y, or any other key"},
        {"k48211.317\ry", TOP_KICK, "every 2s"},
        {"k48211.317\rn", TOP_DRAW, "nothing was ended"},
        {"k48211.317\r\r", TOP_DRAW, "nothing was ended"},
        {"k48211.317\rq", TOP_DRAW, "nothing was ended"},
        {"k48211.317\rn ", TOP_DRAW, "paused"},
        {"k1.7\rnk", TOP_DRAW, "End the session with the ID: _"},
        {"k\r", TOP_DRAW, "a session's name is that in its first column, such as 48211.317"},
        {"k48211\r", TOP_DRAW, "a session's name is that in its first column, such as 48211.317"},
        {"k-1.2\r", TOP_DRAW, "a session's name is that in its first column, such as 48211.317"},
        {"/a\rk1.2\r ", TOP_DRAW, "nothing was ended"},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct top_state top = {.delay_usec = 2 * SEC, .has_sessions = true};
        char text[128];

        check_number(rows[i].keys, press(&top, rows[i].keys), rows[i].action);
        check_text(rows[i].keys, describe(&top, text, sizeof(text)), rows[i].wanted);
    }
}

static void test_escape(void **state)
{
    struct top_state top = {.delay_usec = SEC};

    (void)state;
    (void)press(&top, "/quiz");
    (void)top_state_take(&top, TOP_KEY_ESCAPE);
    check_true("while typing", top.prompt == TOP_NO_PROMPT && top.words[0] == '\0');
    (void)press(&top, "/quiz\r");
    (void)top_state_take(&top, TOP_KEY_ESCAPE);
    check_text("later", top.words, "");
}

// A filter as long as it may be, and longer; characters of several bytes.
static void test_words(void **state)
{
    struct top_state top = {.delay_usec = SEC};

    (void)state;
    (void)press(&top, "/");
    for (int i = 0; i < 3 * TOP_WORDS_MAX; i++)
        (void)press(&top, "a");
    check_number("long", strlen(top.words), TOP_WORDS_MAX - 1);
    for (int i = 0; i < 3 * TOP_WORDS_MAX; i++)
        (void)top_state_take(&top, TOP_KEY_BACKSPACE);
    check_text("short", top.words, "");
    (void)press(&top, "a\u00e9\u4f60");
    (void)top_state_take(&top, TOP_KEY_BACKSPACE);
    check_text("one less", top.words, "a\u00e9");
    (void)top_state_take(&top, TOP_KEY_BACKSPACE);
    check_text("two less", top.words, "a");
    (void)top_state_take(&top, TOP_KEY_OTHER);
    check_text("no character", top.words, "a");
}

static void test_scrolling(void **state)
{
    static const struct {
        const char *name;
        size_t first, page;
        int key;
        size_t wanted;
    } rows[] = {
        {"down", 3, 10, TOP_KEY_DOWN, 4},
        {"up", 3, 10, TOP_KEY_UP, 2},
        {"up from the top", 0, 10, TOP_KEY_UP, 0},
        {"a page down", 3, 10, TOP_KEY_PAGE_DOWN, 12},
        {"a page up", 12, 10, TOP_KEY_PAGE_UP, 3},
        {"a page up, near the top", 5, 10, TOP_KEY_PAGE_UP, 0},
        {"home", 5, 10, TOP_KEY_HOME, 0},
        {"a page of nothing", 5, 0, TOP_KEY_PAGE_DOWN, 6},
        {"another order", 5, 10, 's', 0},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct top_state top = {.first = rows[i].first, .page = rows[i].page};

        (void)top_state_take(&top, rows[i].key);
        check_number(rows[i].name, top.first, rows[i].wanted);
    }
}

static void test_panels(void **state)
{
    struct top_state top = {.delay_usec = SEC};
    struct top_lines lines = {0};

    (void)state;
    (void)press(&top, "w");
    check_number("w", top.panel, TOP_WORKERS);
    (void)press(&top, "w");
    check_number("ww", top.panel, TOP_TRAFFIC);
    (void)press(&top, "l");
    check_number("l", top.layout, TOP_POOLS);
    (void)press(&top, "ll");
    check_number("lll", top.layout, TOP_BOTH);
    (void)press(&top, "ooo");
    check_number("ooo", top.sessions_order, SESSION_RATES_BY_RATE);
    (void)press(&top, "o");
    check_number("oooo", top.sessions_order, SESSION_RATES_BY_AGE);
    (void)press(&top, "k");
    check_number("k without sessions", top.prompt, TOP_NO_PROMPT);
    top_state_help(&lines);
    check_true("help", lines.n > 10);
    for (size_t i = 0; i < lines.n; i++)
        check_true(lines.lines[i].text, top_text_width(lines.lines[i].text) < 80);
    check_true("keys", top_text_width(top_state_keys) < 80);
    top_lines_done(&lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),   cmocka_unit_test(test_escape),
        cmocka_unit_test(test_words),  cmocka_unit_test(test_scrolling),
        cmocka_unit_test(test_panels),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
