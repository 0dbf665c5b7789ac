// SPDX-License-Identifier: MIT
// ranges.c: the longest prefix decides, in whatever order they are written.

#include "access/ranges.h"
#include "unit.h"

#define PREFIXES_MAX 16
#define ADDRESSES    6

static const struct {
    const char *name;
    const char *prefixes[PREFIXES_MAX];
    struct {
        const char *address, *want; // NULL: none of them
    } looks[ADDRESSES];
} rows[] = {
    {"none", {NULL}, {{"0.0.0.0", NULL}, {"::", NULL}, {"255.255.255.255", NULL}}},
    {"one address",
     {"192.0.2.7"},
     {{"192.0.2.6", NULL}, {"192.0.2.7", "192.0.2.7"}, {"192.0.2.8", NULL}, {"::1", NULL}}},
    {"the first and the last",
     {"0.0.0.0/1", "255.255.255.255", "::", "ffff::/16"},
     {{"0.0.0.0", "0.0.0.0/1"},
      {"127.255.255.255", "0.0.0.0/1"},
      {"128.0.0.0", NULL},
      {"255.255.255.255", "255.255.255.255"},
      {"::", "::"},
      {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff::/16"}}},
    {"everybody, but one family",
     {"0.0.0.0/0"},
     {{"0.0.0.0", "0.0.0.0/0"}, {"255.255.255.255", "0.0.0.0/0"}, {"::", NULL}, {"ffff::", NULL}}},
    {"within each other",
     {"0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.1.0/24", "10.1.1.1"},
     {{"9.255.255.255", "0.0.0.0/0"},
      {"10.0.255.255", "10.0.0.0/8"},
      {"10.1.0.255", "10.1.0.0/16"},
      {"10.1.1.1", "10.1.1.1"},
      {"10.1.1.2", "10.1.1.0/24"},
      {"11.0.0.0", "0.0.0.0/0"}}},
    {"one that begins where its parent does",
     {"10.0.0.0/8", "10.0.0.0/16", "10.0.0.0/24", "10.0.0.0"},
     {{"10.0.0.0", "10.0.0.0"},
      {"10.0.0.1", "10.0.0.0/24"},
      {"10.0.1.0", "10.0.0.0/16"},
      {"10.1.0.0", "10.0.0.0/8"},
      {"9.255.255.255", NULL},
      {"11.0.0.0", NULL}}},
    {"one that ends where its parent does",
     {"10.0.0.0/8", "10.255.0.0/16", "10.255.255.255"},
     {{"10.255.255.255", "10.255.255.255"},
      {"10.255.255.254", "10.255.0.0/16"},
      {"10.254.255.255", "10.0.0.0/8"},
      {"11.0.0.0", NULL}}},
    {"neighbours",
     {"10.0.0.0/9", "10.128.0.0/9"},
     {{"10.127.255.255", "10.0.0.0/9"}, {"10.128.0.0", "10.128.0.0/9"}, {"11.0.0.0", NULL}}},
    {"IPv6",
     {"2001:db8::/32", "2001:db8:1::/48", "2001:db8:1:2::/64"},
     {{"2001:db8::1", "2001:db8::/32"},
      {"2001:db8:1:3::", "2001:db8:1::/48"},
      {"2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"},
      {"2001:db9::", NULL},
      {"32.1.13.184", NULL}}}, // the same bytes
};

static struct prefix make(const char *text)
{
    struct prefix list[PREFIX_WORD_MAX];
    char wrong[PREFIX_WRONG_MAX];

    check_number(text, prefix_parse(text, list, wrong), 1);
    return list[0];
}

// In an order that the turn decides.
static void check_row(size_t row, size_t turn)
{
    struct prefix prefixes[PREFIXES_MAX];
    struct ranges *ranges;
    size_t n = 0;

    while (rows[row].prefixes[n])
        n++;
    for (size_t i = 0; i < n; i++)
        prefixes[i] = make(rows[row].prefixes[turn < n ? (i + turn) % n : n - 1 - i]);
    ranges = ranges_new(prefixes, n);
    for (size_t i = 0; i < ADDRESSES && rows[row].looks[i].address; i++) {
        struct prefix address = make(rows[row].looks[i].address);
        size_t found = ranges_find(ranges, &address);
        char text[PREFIX_TEXT_MAX];

        check_text(rows[row].looks[i].address,
                   found == RANGES_NONE ? NULL
                                        : prefix_format(&prefixes[found], text, sizeof(text)),
                   rows[row].looks[i].want);
    }
    (void)ranges_free(ranges);
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t row = 0; row < ELEMENTS(rows); row++)
        for (size_t turn = 0; turn <= PREFIXES_MAX; turn++)
            check_row(row, turn);
}

static void test_equal_ones(void **state)
{
    const struct prefix prefixes[] = {make("10.0.0.0/8"), make("10.0.0.0/16"), make("10.0.0.0/8"),
                                      make("::ffff:10.0.0.0/104")};
    const struct prefix inside = make("10.9.9.9");
    size_t *order = prefixes_sort(prefixes, ELEMENTS(prefixes));
    struct ranges *ranges = ranges_new(prefixes, ELEMENTS(prefixes));

    (void)state;
    check_number("the first counts", ranges_find(ranges, &inside), 0);
    check_number("order", order[0] * 1000 + order[1] * 100 + order[2] * 10 + order[3], 231);
    free(order);
    (void)ranges_free(ranges);
}

// All 129 lengths, each within the one before.
static void test_depth(void **state)
{
    struct prefix prefixes[129], address = make("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    struct ranges *ranges;

    (void)state;
    for (size_t i = 0; i < ELEMENTS(prefixes); i++) {
        prefixes[i] = (struct prefix){.length = (uint8_t)i, .is_v6 = true};
        for (size_t bit = 0; bit < i; bit++)
            prefixes[i].ip[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
    }
    ranges = ranges_new(prefixes, ELEMENTS(prefixes));
    for (size_t i = ELEMENTS(prefixes) - 1;; i--) {
        check_number("length", ranges_find(ranges, &address), i);
        if (i == 0)
            break;
        address.ip[(i - 1) / 8] ^= (uint8_t)(0x80 >> (i - 1) % 8);
    }
    (void)ranges_free(ranges);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_equal_ones),
        cmocka_unit_test(test_depth),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
