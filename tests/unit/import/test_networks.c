// SPDX-License-Identifier: MIT
// networks.c: what addresses of xinetd and tcprules mean. text.c: words in quotes.

#include "import/networks.h"
#include "unit.h"

static const char name[] = "names are not looked up; write the address";
static const char wrong[] = "it is no address";

struct row {
    const char *text, *want; // a list, or what is wrong
};

static const struct row of_xinetd[] = {
    {"192.0.2.7", "{\"192.0.2.7\"}"},
    {"192.0.2.0", "{\"192.0.2.0/24\"}"}, // zeros at the end are everything
    {"10.0.0.0", "{\"10.0.0.0/8\"}"},
    {"10.0.1.0", "{\"10.0.1.0/24\"}"},
    {"0.0.0.0", "{\"0.0.0.0/0\"}"},
    {"192.0.2.7/24", "{\"192.0.2.0/24\"}"}, // bits of the host go
    {"192.0.2.7/32", "{\"192.0.2.7\"}"},
    {"0.0.0.0/0", "{\"0.0.0.0/0\"}"},
    {"10.1.{2,3}", "{\"10.1.2.0/24\", \"10.1.3.0/24\"}"},
    {"10.1.2.{4,5,6}", "{\"10.1.2.4\", \"10.1.2.5\", \"10.1.2.6\"}"},
    {"{10,11}", "{\"10.0.0.0/8\", \"11.0.0.0/8\"}"},
    {"2001:db8::", "{\"2001:db8::\"}"}, // of IPv6 they are not
    {"2001:db8::1/32", "{\"2001:db8::/32\"}"},
    {"::ffff:10.0.0.0/104", "{\"10.0.0.0/8\"}"},
    {"::ffff:192.0.2.7", "{\"192.0.2.7\"}"},
    {"example.org", name},
    {".example.org", name},
    {"localnet", name},
    {"192.0.2", wrong},
    {"192.0.2.256", wrong},
    {"192.0.2.7/33", wrong},
    {"192.0.2.7/", wrong},
    {"192.0.2.7/8/8", wrong},
    {"192.0.2.7/8x", wrong},
    {"fe80::1%eth0", wrong},
    {"::1/129", wrong},
    {"10.1.{2,3", wrong},
    {"10.1.{2,,3}", wrong},
    {"10.1.{}", wrong},
    {"10.1.{2}x", wrong},
    {"10.1.2.3.{4}", wrong},
    {"10..{4}", wrong},
    {"10.1.{256}", wrong},
    {"{", wrong},
};

static const struct row of_tcprules[] = {
    {"192.0.2.7", "{\"192.0.2.7\"}"},
    {"192.0.2.", "{\"192.0.2.0/24\"}"},
    {"10.", "{\"10.0.0.0/8\"}"},
    {"", "{\"0.0.0.0/0\", \"::/0\"}"},
    {"192.0.2.7-9", "{\"192.0.2.7\", \"192.0.2.8\", \"192.0.2.9\"}"},
    {"10.2-3.", "{\"10.2.0.0/16\", \"10.3.0.0/16\"}"},
    {"10.2-3.4", "a range is the last number; write a line for each"},
    {"192.0.2", wrong},
    {"192.0.2.7.", wrong},
    {"192.0.2.7.8", wrong},
    {"192.0.2.9-7", wrong},
    {"192.0.2.7-", wrong},
    {"192.0.2.-7", wrong},
    {"192.0.2.256", wrong},
    {".", wrong},
    {"2001:db8::1", wrong},
    {"=host", name},
    {"=", name},
    {"me@192.0.2.7", "nobody asks who the user is; write the address alone"},
};

static void check(const struct row *row, const char *refused, struct networks *networks)
{
    struct text text = {0};

    networks_write(networks, &text);
    check_text(row->text, refused ? refused : text.bytes, row->want);
    check_true(row->text, !refused || networks->n == 0);
    text_done(&text);
    networks_done(networks);
}

static void test_xinetd(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(of_xinetd); i++) {
        struct networks networks = {0};

        check(&of_xinetd[i], networks_add_xinetd(&networks, of_xinetd[i].text), &networks);
    }
}

static void test_tcprules(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(of_tcprules); i++) {
        const char *text = of_tcprules[i].text;
        struct networks networks = {0};

        check(&of_tcprules[i], networks_add_tcprules(&networks, text, strlen(text)), &networks);
    }
}

static void test_around(void **state)
{
    static const struct {
        const char *outer, *inner;
        bool has;
    } rows[] = {
        {"10.0.0.0/8", "10.1.2.3", true},
        {"10.0.0.0/8", "10.0.0.0/8", true},
        {"10.0.0.0/9", "10.128.0.0/9", false},
        {"10.1.0.0/16", "10.0.0.0/8", false},
        {"0.0.0.0/0", "::/0", false},
        {"2001:db8::/33", "2001:db8:7fff::1", true},
        {"2001:db8::/33", "2001:db8:8000::1", false},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct networks outer = {0}, inner = {0};

        check_true(rows[i].outer, !networks_add_xinetd(&outer, rows[i].outer));
        check_true(rows[i].inner, !networks_add_xinetd(&inner, rows[i].inner));
        check_number(rows[i].inner, networks_around(&outer, &inner.items[0]) != NULL, rows[i].has);
        networks_done(&outer);
        networks_done(&inner);
    }
}

// In their order, each once.
static void test_sort(void **state)
{
    static const char *const given[] = {"::/0", "10.0.0.0/8", "10.0.0.0/16", "10.0.0.0/8",
                                        "9.9.9.9"};
    struct networks networks = {0};
    struct text text = {0};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(given); i++)
        check_true(given[i], !networks_add_xinetd(&networks, given[i]));
    networks_sort(&networks);
    networks_write(&networks, &text);
    check_text("sorted", text.bytes, "{\"9.9.9.9\", \"10.0.0.0/8\", \"10.0.0.0/16\", \"::/0\"}");
    text_done(&text);
    networks_done(&networks);
}

static void test_quoted(void **state)
{
    static const struct row rows[] = {
        {"plain", "'plain'"}, {"", "''"},
        {"it's", "'it\\'s'"}, {"a\\b", "'a\\b'"},
        {"a\\", "'a\\\\'"},   {"a\\\\", "'a\\\\\\\\'"},
        {"\\'", "'\\\\\\''"}, {"${HOME}\"", "'${HOME}\"'"},
        {"''", "'\\'\\''"},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct text text = {0};

        text_add_quoted(&text, rows[i].text);
        check_text(rows[i].text, text.bytes, rows[i].want);
        text_done(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_xinetd), cmocka_unit_test(test_tcprules),
        cmocka_unit_test(test_around), cmocka_unit_test(test_sort),
        cmocka_unit_test(test_quoted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
