// SPDX-License-Identifier: MIT
// top_text.c and top_table.c: what a terminal is given, in two character sets and at any width.

#include "ctl/top_table.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

// --- Texts -------------------------------------------------------------------------------------

static void use_locale(const char *name)
{
    if (!setlocale(LC_CTYPE, name)) // NOLINT(concurrency-mt-unsafe): there is one thread
        fail_msg("no locale %s", name);
}

static void test_clean(void **state)
{
    static const struct {
        const char *text, *utf8, *ascii;
        int width; // in UTF-8
    } rows[] = {
        {"", "", "", 0},
        {"echo *:7007", "echo *:7007", "echo *:7007", 11},
        {"a\tb\nc\x1b[2Jd\x7f", "a?b?c?[2Jd?", "a?b?c?[2Jd?", 11},
        {"caf\u00e9", "caf\u00e9", "caf?", 4},
        {"\u4f60\u597d", "\u4f60\u597d", "??", 4},
        {"e\u0301", "e\u0301", "e?", 1},
        {"\xc2\x85\u202e", "??", "??", 2},
        {"\xff\xc3", "??", "??", 2},
    };
    char text[64];

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        use_locale("C.UTF-8");
        (void)snprintf(text, sizeof(text), "%s", rows[i].text);
        top_text_clean(text);
        if (i != 6) // what that may be, and its width, is the locale's
            check_text(rows[i].text, text, rows[i].utf8);
        if (i != 6)
            check_number(rows[i].text, top_text_width(text), rows[i].width);
        use_locale("C");
        (void)snprintf(text, sizeof(text), "%s", rows[i].text);
        top_text_clean(text);
        check_text(rows[i].text, text, rows[i].ascii);
        check_number(rows[i].text, top_text_width(text), strlen(text));
    }
}

static void test_cut(void **state)
{
    static const struct {
        const char *text;
        int width;
        const char *wanted;
    } rows[] = {
        {"", 0, ""},
        {"abc", 4, "abc"},
        {"abc", 3, "abc"},
        {"abc", 2, "a+"},
        {"abc", 1, "+"},
        {"abc", 0, ""},
        {"\u00e9\u00e9", 2, "\u00e9\u00e9"},
        {"\u00e9\u00e9", 1, "+"},
        {"\u4f60\u597d", 3, "\u4f60+"},
        {"\u4f60\u597d", 2, "+"},
    };
    char text[64];

    (void)state;
    use_locale("C.UTF-8");
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        (void)snprintf(text, sizeof(text), "%s", rows[i].text);
        top_text_cut(text, rows[i].width);
        check_text(rows[i].text, text, rows[i].wanted);
    }
}

// --- Tables ------------------------------------------------------------------------------------

static const struct counters_pool echo = {
    .service = "echo", .listener = "*:7007", .queue_limit = 4096, .is_throttled = true};
static const struct counters_pool quiz = {
    .service = "quiz", .listener = "unix:/run/a/rather/long/path/quiz", .queue_limit = 9};

// The view of the two, as rates_view_make() would make it.
static struct rates_view make_view(void)
{
    struct rates *rates = base_checked(calloc(2, sizeof(*rates)));

    rates[0] = (struct rates){.pool = &echo,
                              .sessions = 1140,
                              .received = 839960,
                              .sent = 0.01,
                              .failed = 0.24,
                              .full = 0.5,
                              .busy = 1,
                              .duration_50 = 2000,
                              .duration_99 = 50000,
                              .wait_99 = 100,
                              .n_busy = 256,
                              .n_workers = 256,
                              .max = 256,
                              .queue = 31};
    rates[1] = (struct rates){.pool = &quiz,
                              .sessions = 9.96,
                              .busy = 0.0488,
                              .duration_50 = 1000000,
                              .duration_99 = RATES_BEYOND,
                              .wait_99 = RATES_NONE,
                              .n_busy = 25,
                              .n_idle = 131,
                              .n_workers = 156,
                              .max = 512,
                              .starts = 7};
    return (struct rates_view){
        .rates = rates,
        .n = 2,
        .sum = {.sessions = 1150, .busy = 0.366, .n_busy = 281, .max = 768, .queue = 31}};
}

static void check_lines(const char *name, const struct top_lines *got, const char *const *wanted,
                        size_t n)
{
    check_number(name, got->n, n);
    for (size_t i = 0; i < n; i++)
        check_text(name, got->lines[i].text, wanted[i]);
}

static void test_widths(void **state)
{
    static const struct {
        const char *name, *locale;
        enum top_panel panel;
        int width;
        const char *wanted[4];
    } rows[] = {
        {"any width",
         "C",
         TOP_TRAFFIC,
         0,
         {"SERVICE  LISTENER                           BUSY  MAX  BUSY%  RATE  IN/s  OUT/s    QUEUE"
          "    50%      99%  WAIT 99%  FAILED/s  REFUSED/s",
          "echo     *:7007                              256  256   100%  1.1K  839K   <0.1  31/4096"
          "  <=2ms   <=50ms   <=0.1ms       0.2          0",
          "quiz     unix:/run/a/rather/long/path/quiz    25  512     5%    10     0      0      0/9"
          "   <=1s  >50000s         -         0          0",
          "total                                        281  768    37%  1.1K     0      0       31"
          "                                   0          0"}},
        {"80 columns",
         "C.UTF-8",
         TOP_TRAFFIC,
         80,
         {"SERVICE  LISTENER                  BUSY  MAX  RATE    QUEUE      99%  WAIT 99%",
          "echo     *:7007                     256  256  1.1K  31/4096    \u226450ms    "
          "\u22640.1ms",
          "quiz     unix:/run/a/rather/long+    25  512    10      0/9  >50000s         -",
          "total                               281  768  1.1K       31"}},
        {"14 columns",
         "C",
         TOP_TRAFFIC,
         14,
         {"SERVICE  BUSY", "echo      256", "quiz       25", "total     281"}},
        {"one column",
         "C",
         TOP_TRAFFIC,
         1,
         {"SERVICE  BUSY", "echo      256", "quiz       25", "total     281"}},
        {"workers",
         "C",
         TOP_WORKERS,
         0,
         {"SERVICE  LISTENER                           WORKERS  BUSY  IDLE  PARKED  STARTING  "
          "DRAINING  MIN  SPARE  MAX  FULL  STARTS  DEATHS  NOTE",
          "echo     *:7007                                 256   256     0       0         0  "
          "       0    0      0  256   50%       0       0  throttled",
          "quiz     unix:/run/a/rather/long/path/quiz      156    25   131       0         0  "
          "       0    0      0  512    0%       7       0",
          "total                                             0   281     0       0         0  "
          "       0    0      0  768             0       0"}},
    };
    struct rates_view view = make_view();

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct top_lines lines = {0};

        use_locale(rows[i].locale);
        top_table_make(&lines, &view, rows[i].panel, rows[i].width);
        check_lines(rows[i].name, &lines, rows[i].wanted, ELEMENTS(rows[i].wanted));
        check_number(rows[i].name, lines.lines[0].style, TOP_HEAD);
        check_number(rows[i].name, lines.lines[1].style, TOP_ALARM);
        check_number(rows[i].name, lines.lines[2].style, TOP_PLAIN);
        top_lines_done(&lines);
    }
    rates_view_done(&view);
}

static void test_no_pools(void **state)
{
    struct rates_view view = {0};
    struct top_lines lines = {0};

    (void)state;
    top_table_make(&lines, &view, TOP_TRAFFIC, 14);
    check_lines("none", &lines, (const char *const[]){"SERVICE  BUSY"}, 1);
    top_lines_done(&lines);
}

static void test_summary(void **state)
{
    static const struct counters_daemon daemon = {.version = "0.1.0",
                                                  .state = "running",
                                                  .started_usec = 1000 * USEC_PER_SEC,
                                                  .generation = 7,
                                                  .addresses_not_served = 2,
                                                  .reload_is_good = false};
    static const struct rates sum = {.sessions = 1234, .n_busy = 1, .n_workers = 1, .queue = 31};
    struct top_lines lines = {0};

    (void)state;
    assert_int_equal(setenv("TZ", "UTC", 1), 0);
    top_summary_make(&lines, &daemon, &sum, (1000 + 3 * 86400 + 4 * 3600) * USEC_PER_SEC);
    check_lines("summary", &lines,
                (const char *const[]){
                    "tcpd 0.1.0: running, up 3d4h, generation 7 | 1.2K sessions/s | 1 of 1 worker "
                    "busy | 31 waiting | 04:16:40",
                    "The last reload failed: see tcpdctl status",
                    "2 addresses are not served: see tcpdctl status"},
                3);
    top_lines_done(&lines);
    top_summary_make(&lines, &daemon, &sum, 0); // the clock was set back
    check_true("up", strstr(lines.lines[0].text, "up 0.0s"));
    top_lines_done(&lines);
}

// Nobody knows how many of its workers serve, so neither share is shown, and it is no alarm.
static void test_accepts_itself(void **state)
{
    static const struct counters_pool own = {
        .service = "own", .listener = "*:8", .accepts_itself = true};
    struct rates rates = {.pool = &own, .full = 1, .n_busy = 4, .n_workers = 4, .max = 4};
    const struct rates_view view = {.rates = &rates, .n = 1};
    const char *const cells[] = {" 4    4      -  ", "    -  "};

    (void)state;
    for (enum top_panel panel = TOP_TRAFFIC; panel <= TOP_WORKERS; panel++) {
        struct top_lines lines = {0};

        top_table_make(&lines, &view, panel, 0);
        check_true(lines.lines[1].text, strstr(lines.lines[1].text, cells[panel]) != NULL);
        check_true(lines.lines[1].text, strchr(lines.lines[1].text, '%') == NULL);
        check_number("style", lines.lines[1].style, TOP_PLAIN);
        top_lines_done(&lines);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clean),   cmocka_unit_test(test_cut),
        cmocka_unit_test(test_widths),  cmocka_unit_test(test_no_pools),
        cmocka_unit_test(test_summary), cmocka_unit_test(test_accepts_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
