// SPDX-License-Identifier: MIT
// prefix.c: what is a prefix, how it is written again, what is refused and with which words.

#include <arpa/inet.h>
#include <errno.h>

#include "access/prefix.h"
#include "unit.h"

static const struct {
    const char *text;
    const char *want[PREFIX_WORD_MAX]; // as they are written again
} good[] = {
    {"10.0.0.0/8", {"10.0.0.0/8"}},
    {"192.0.2.7", {"192.0.2.7"}},
    {"192.0.2.7/32", {"192.0.2.7"}},
    {"0.0.0.0/0", {"0.0.0.0/0"}},
    {"0.0.0.0", {"0.0.0.0"}},
    {"255.255.255.255", {"255.255.255.255"}},
    {"128.0.0.0/1", {"128.0.0.0/1"}},
    {"192.0.2.254/31", {"192.0.2.254/31"}},
    {"2001:db8::/32", {"2001:db8::/32"}},
    {"2001:DB8:0:0::/32", {"2001:db8::/32"}},
    {"2001:db8::7", {"2001:db8::7"}},
    {"2001:db8::7/128", {"2001:db8::7"}},
    {"::/0", {"::/0"}},
    {"::", {"::"}},
    {"::1", {"::1"}},
    {"8000::/1", {"8000::/1"}},
    {"2001:db8::fffe/127", {"2001:db8::fffe/127"}},
    {"fe80::/10", {"fe80::/10"}},
    {"::ffff:192.0.2.7", {"192.0.2.7"}}, // R2
    {"::ffff:10.0.0.0/104", {"10.0.0.0/8"}},
    {"::ffff:0:0/96", {"0.0.0.0/0"}},
    {"::ffff:c000:207/128", {"192.0.2.7"}},
    {"::fffe:0:0/95", {"::fffe:0:0/95"}}, // more than what is mapped
    {"::ffff:0:0:0/96", {"::ffff:0:0:0/96"}},
    {"any", {"0.0.0.0/0", "::/0"}},
    {"localhost", {"127.0.0.0/8", "::1"}},
    {"link-local", {"169.254.0.0/16", "fe80::/64"}},
};

static void test_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(good); i++) {
        struct prefix list[PREFIX_WORD_MAX], again[PREFIX_WORD_MAX];
        char wrong[PREFIX_WRONG_MAX], text[PREFIX_TEXT_MAX];
        int n = good[i].want[1] ? 2 : 1;

        check_number(good[i].text, prefix_parse(good[i].text, list, wrong), n);
        for (int k = 0; k < n; k++) {
            check_text(good[i].text, prefix_format(&list[k], text, sizeof(text)), good[i].want[k]);
            check_number(text, prefix_parse(text, again, wrong), 1);
            check_true(text, prefix_is_same(&again[0], &list[k]));
        }
    }
}

static const struct {
    const char *text, *want; // a part of what is said
} bad[] = {
    {"10.0.0.1/8", "write 10.0.0.0/8, or 10.0.0.1 for"},
    {"192.0.2.255/31", "write 192.0.2.254/31, or 192.0.2.255 for"},
    {"1.0.0.0/0", "write 0.0.0.0/0, or 1.0.0.0 for"},
    {"2001:db8::1/32", "write 2001:db8::/32, or 2001:db8::1 for"},
    {"2001:db8:8000::/32", "write 2001:db8::/32, or 2001:db8:8000:: for"},
    {"::ffff:10.0.0.1/104", "write 10.0.0.0/8, or 10.0.0.1 for"},
    {"10.0.0.0/33", "a number from 0 to 32"},
    {"10.0.0.0/", "a number from 0 to 32"},
    {"10.0.0.0/08", "a number from 0 to 32"},
    {"10.0.0.0/+8", "a number from 0 to 32"},
    {"10.0.0.0/-8", "a number from 0 to 32"},
    {"10.0.0.0/ 8", "a number from 0 to 32"},
    {"10.0.0.0/8 ", "a number from 0 to 32"},
    {"10.0.0.0/8/8", "a number from 0 to 32"},
    {"10.0.0.0/255.0.0.0", "a number from 0 to 32"},
    {"10.0.0.0/4294967304", "a number from 0 to 32"},
    {"::/129", "a number from 0 to 128"},
    {"::/1000", "a number from 0 to 128"},
    {"10.0.0", "write all four numbers"},
    {"10.0.0.", "write all four numbers"},
    {"10", "write all four numbers"},
    {"10.0.0.0.0", "write all four numbers"},
    {"10.0.0.256", "write all four numbers"},
    {"010.0.0.0/8", "leading zero"},
    {"10.00.0.0/8", "leading zero"},
    {"fe80::%eth0/10", "names an interface"},
    {"[::1]", "brackets"},
    {"[::1]:7", "brackets"},
    {"example.org", "names are not looked up"},
    {"1.2.3.4-1.2.3.9", "is not a prefix"},
    {"1.2.3.4:80", "is not a prefix"},
    {"0x0a.0.0.0", "is not a prefix"},
    {" 10.0.0.0/8", "is not a prefix"},
    {"Any", "is not a prefix"},
    {"anything", "is not a prefix"},
    {"2001:db8:::1", "is not a prefix"},
    {"2001:db8:0:0:0:0:0:0:1", "is not a prefix"},
    {"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa/1", "is not a prefix"},
    {"/8", "is empty"},
    {"", "is empty"},
    {"any/8", "which has no length"},
    {"localhost/", "which has no length"},
};

static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(bad); i++) {
        struct prefix list[PREFIX_WORD_MAX];
        char wrong[PREFIX_WRONG_MAX] = "";

        check_number(bad[i].text, prefix_parse(bad[i].text, list, wrong), -EINVAL);
        if (!strstr(wrong, bad[i].want))
            fail_msg("\"%s\": \"%s\" does not say \"%s\"", bad[i].text, wrong, bad[i].want);
    }
}

static struct prefix make(const char *text)
{
    struct prefix list[PREFIX_WORD_MAX];
    char wrong[PREFIX_WRONG_MAX];

    check_number(text, prefix_parse(text, list, wrong), 1);
    return list[0];
}

static const struct {
    const char *a, *b;
    int common;
    bool contains; // a has b in it
} pairs[] = {
    {"10.0.0.0/8", "10.1.2.3", 8, true},
    {"10.0.0.0/8", "11.0.0.0", 7, false},
    {"10.0.0.0/8", "10.0.0.0/8", 8, true},
    {"10.1.2.3", "10.0.0.0/8", 8, false},
    {"0.0.0.0/0", "255.255.255.255", 0, true},
    {"0.0.0.0/0", "::1", -1, false},
    {"::/0", "127.0.0.1", -1, false},
    {"::/96", "::ffff:127.0.0.1", -1, false}, // which is IPv4
    {"2001:db8::/33", "2001:db8:8000::1", 32, false},
    {"2001:db8::/33", "2001:db8:7fff::1", 33, true},
    {"192.0.2.6", "192.0.2.7", 31, false},
};

static void test_pairs(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(pairs); i++) {
        struct prefix a = make(pairs[i].a), b = make(pairs[i].b);

        check_number(pairs[i].b, prefix_common(&a, &b), pairs[i].common);
        check_number(pairs[i].b, prefix_contains(&a, &b), pairs[i].contains);
    }
}

static void test_sockets(void **state)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc0000207)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_scope_id = 3};
    struct prefix prefix, want = make("192.0.2.7");

    (void)state;
    check_true("IPv4", prefix_of_address((const struct sockaddr *)&in, &prefix));
    check_true("IPv4", prefix_is_same(&prefix, &want));
    (void)inet_pton(AF_INET6, "::ffff:192.0.2.7", &in6.sin6_addr);
    check_true("mapped", prefix_of_address((const struct sockaddr *)&in6, &prefix));
    check_true("mapped", prefix_is_same(&prefix, &want));
    (void)inet_pton(AF_INET6, "fe80::7", &in6.sin6_addr);
    want = make("fe80::7");
    check_true("IPv6", prefix_of_address((const struct sockaddr *)&in6, &prefix));
    check_true("IPv6", prefix_is_same(&prefix, &want));
    check_true("unix", !prefix_of_address(&(struct sockaddr){.sa_family = AF_UNIX}, &prefix));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_sockets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
