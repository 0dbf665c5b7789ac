// SPDX-License-Identifier: MIT
// top_sessions.c: sessions as lines, at any width.

#include "ctl/top_sessions.h"

#include <string.h>

#include "unit.h"

static const struct session_row rows[] = {
    {.pid = 48211,
     .number = 317,
     .service = "echo",
     .listener = "*:7007",
     .peer = "192.0.2.7:48764",
     .through = "",
     .doing = "writing",
     .received = 12345678,
     .sent = 840,
     .age_usec = 8000 * USEC_PER_SEC},
    {.pid = 7,
     .service = "quiz",
     .listener = "tls:[::]:7001",
     .peer = "",
     .through = "[2001:db8::1]:4711",
     .doing = "opening",
     .peer_ended = true,
     .age_usec = 400 * USEC_PER_MSEC},
};
static struct session_rates rates[] = {{.row = &rows[0], .received = 1234567, .sent = 0.5},
                                       {.row = &rows[1]}};
static const struct session_rates_view view = {.rates = rates, .n = 2};

static void test_lines(void **state)
{
    static const struct {
        const char *name;
        size_t n;
        int width;
        const char *wanted[3]; // NULL: none
    } table[] = {
        {"all",
         9,
         0,
         {"ID         SERVICE  LISTENER       CLIENT                          AGE  DOING        "
          "    IN  OUT  IN/s  OUT/s",
          "48211.317  echo     *:7007         192.0.2.7:48764               2h13m  writing      "
          "   12M  840  1.2M    0.5",
          "-          quiz     tls:[::]:7001  - through [2001:db8::1]:4711   0.4s  opening, ende"
          "d    0    0     0      0"}},
        {"one",
         1,
         0,
         {"ID         SERVICE  LISTENER  CLIENT             AGE  DOING     IN  OUT  IN/s  OUT/s",
          "48211.317  echo     *:7007    192.0.2.7:48764  2h13m  writing  12M  840  1.2M    0.5"}},
        {"none", 0, 0, {"ID  SERVICE  LISTENER  CLIENT  AGE  DOING  IN  OUT  IN/s  OUT/s"}},
        {"40 columns",
         1,
         40,
         {"ID         CLIENT             AGE", "48211.317  192.0.2.7:48764  2h13m"}},
        {"one column", 1, 1, {"ID", "48211.317"}},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(table); i++) {
        struct top_lines lines = {0};
        size_t n = 0;

        top_sessions_make(&lines, &view, table[i].n, table[i].width);
        for (; n < ELEMENTS(table[i].wanted) && table[i].wanted[n]; n++)
            check_text(table[i].name, n < lines.n ? lines.lines[n].text : NULL, table[i].wanted[n]);
        check_number(table[i].name, lines.n, n);
        top_lines_done(&lines);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
