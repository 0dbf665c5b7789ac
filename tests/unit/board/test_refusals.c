// SPDX-License-Identifier: MIT
// refusals.c: the first of each source has a record, no more than a few of a pool, all are counted.

#include <arpa/inet.h>

#include "board/refusals.h"
#include "unit.h"

static struct sockaddr_in address(uint32_t host)
{
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(host)};
}

static bool take(struct refusals *refusals, uint32_t host, bool all)
{
    const struct sockaddr_in client = address(host);

    return refusals_take(refusals, REFUSAL_RULE, (const struct sockaddr *)&client, all);
}

static void test_first(void **state)
{
    struct refusals refusals = {0};
    uint32_t n[REFUSALS];

    (void)state;
    check_true("the first", take(&refusals, 0x7f000001, false));
    for (int i = 0; i < 100; i++)
        check_true("again", !take(&refusals, 0x7f000001, false));
    check_true("another one", take(&refusals, 0x7f000002, false));
    check_number("said", refusals_renew(&refusals, n), 2);
    check_number("counted", n[REFUSAL_RULE], 102);
    check_true("in the next period", take(&refusals, 0x7f000001, false));
}

static void test_bound(void **state)
{
    struct refusals refusals = {0};
    uint32_t n[REFUSALS];
    int n_said = 0;

    (void)state;
    for (uint32_t i = 0; i < 10000; i++)
        n_said += take(&refusals, i, false);
    check_number("said", n_said, REFUSALS_SAID);
    check_number("said", refusals_renew(&refusals, n), REFUSALS_SAID);
    check_number("counted", n[REFUSAL_RULE], 10000);
}

static void test_all(void **state)
{
    struct refusals refusals = {0};
    uint32_t n[REFUSALS];

    (void)state;
    for (int i = 0; i < 1000; i++)
        check_true("each", take(&refusals, 1, true));
    check_number("said", refusals_renew(&refusals, n), 1000);
    check_number("counted", n[REFUSAL_RULE], 1000);
    check_number("nothing", refusals_renew(&refusals, n), 0);
    check_number("nothing", n[REFUSAL_RULE], 0);
}

static void test_names(void **state)
{
    (void)state;
    for (int i = REFUSAL_NONE + 1; i < REFUSALS; i++)
        check_true("a name", refusal_names[i] != NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first),
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_all),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
