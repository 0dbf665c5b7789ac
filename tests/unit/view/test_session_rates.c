// SPDX-License-Identifier: MIT
// session_rates.c: what two looks at sessions tell, as tables.

#include "view/session_rates.h"

#include <string.h>

#include "unit.h"

#define SEC       USEC_PER_SEC
#define ROW(a, b) .pid = a, .number = b, .service = "echo", .listener = "*:7007", .through = ""
#define ROUND(n)  ((uint64_t)((n) + 0.5))

static struct session_row rows_before[] = {
    {ROW(7, 9), .peer = "192.0.2.9:1", .received = 10, .sent = 10, .age_usec = 3 * SEC},
    {ROW(5, 1), .peer = "192.0.2.1:1", .received = 1000, .sent = 10, .age_usec = 100 * SEC},
    {ROW(5, 0), .peer = "192.0.2.1:1", .received = 77, .sent = 77, .age_usec = 100 * SEC},
};
// In another order; one is new, one has gone and one is the next of its worker.
static struct session_row rows[] = {
    {ROW(9, 1), .peer = "[2001:db8::1]:5", .received = 300, .sent = 100, .age_usec = SEC},
    {ROW(7, 10), .peer = "192.0.2.8:3", .received = 50, .sent = 0, .age_usec = 8 * SEC},
    {ROW(5, 1), .peer = "192.0.2.1:1", .received = 5000, .sent = 9, .age_usec = 102 * SEC},
    {.pid = 6,
     .number = 2,
     .through = "",
     .service = "quiz",
     .listener = "unix:/run/q",
     .peer = "",
     .received = 0,
     .sent = 900,
     .age_usec = 30 * SEC},
};

static struct sessions now = {.rows = rows, .n = ELEMENTS(rows)};
static struct sessions before = {.rows = rows_before, .n = ELEMENTS(rows_before)};

static void test_rates(void **state)
{
    static const struct {
        uint32_t pid;
        uint64_t received, sent, received_alone;
    } wanted[] = {
        {5, 2000, 0, 49},  // a total that falls is none
        {6, 0, 450, 0},    // was there, and not seen
        {7, 25, 0, 6},     // another session
        {9, 300, 100, 300} // began a second ago
    };
    static const struct session_rates_choice choice = {.words = ""};
    struct session_rates_view view;

    (void)state;
    for (int alone = 0; alone <= 1; alone++) {
        session_rates_make(&view, &now, alone ? NULL : &before, 2 * SEC, &choice);
        check_number("all", view.n, ELEMENTS(rows));
        for (size_t i = 0; i < view.n; i++)
            for (size_t k = 0; k < ELEMENTS(wanted); k++) {
                char name[32];

                (void)snprintf(name, sizeof(name), "worker %u", wanted[k].pid);
                if (view.rates[i].row->pid != wanted[k].pid)
                    continue;
                check_number(name, ROUND(view.rates[i].received),
                             alone ? wanted[k].received_alone : wanted[k].received);
                if (!alone)
                    check_number(name, ROUND(view.rates[i].sent), wanted[k].sent);
            }
        session_rates_done(&view);
    }
}

static void test_orders(void **state)
{
    static const struct {
        const char *name;
        struct session_rates_choice choice;
        const char *wanted; // the workers
    } table[] = {
        {"age", {"", SESSION_RATES_BY_AGE, false}, "5679"},
        {"youngest", {"", SESSION_RATES_BY_AGE, true}, "9765"},
        {"in", {"", SESSION_RATES_BY_IN, false}, "5976"},
        {"out", {"", SESSION_RATES_BY_OUT, false}, "6957"},
        {"rate", {"", SESSION_RATES_BY_RATE, false}, "5697"},
        {"service", {"QUIZ", SESSION_RATES_BY_AGE, false}, "6"},
        {"listener", {"unix", SESSION_RATES_BY_AGE, false}, "6"},
        {"client", {"192.0.2.", SESSION_RATES_BY_AGE, false}, "57"},
        {"nobody", {"nobody", SESSION_RATES_BY_AGE, false}, ""},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(table); i++) {
        struct session_rates_view view;
        char got[ELEMENTS(rows) + 1] = "";

        session_rates_make(&view, &now, &before, 2 * SEC, &table[i].choice);
        for (size_t k = 0; k < view.n; k++)
            got[k] = (char)('0' + view.rates[k].row->pid);
        check_text(table[i].name, got, table[i].wanted);
        session_rates_done(&view);
    }
}

static void test_nobody(void **state)
{
    static const struct session_rates_choice choice = {.words = ""};
    struct sessions nobody = {0}, none = {0};
    struct session_rates_view view;

    (void)state;
    session_rates_make(&view, &nobody, &none, SEC, &choice);
    assert_int_equal(view.n, 0);
    session_rates_done(&view);
    session_rates_make(&view, &nobody, NULL, SEC, &choice);
    assert_int_equal(view.n, 0);
    session_rates_done(&view);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rates),
        cmocka_unit_test(test_orders),
        cmocka_unit_test(test_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
