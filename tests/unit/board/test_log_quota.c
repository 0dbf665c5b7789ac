// SPDX-License-Identifier: MIT
// log_quota.c: a source gets so many records in a period, whatever others do; all together get so
// many a second, of which some are kept for what is urgent.

#include "board/log_quota.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "unit.h"

static struct sockaddr_storage address(const char *text)
{
    struct sockaddr_storage storage = {0};
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&storage;
    struct sockaddr_in *in = (struct sockaddr_in *)&storage;

    if (inet_pton(AF_INET, text, &in->sin_addr) == 1)
        in->sin_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1)
        in6->sin6_family = AF_INET6;
    else
        storage.ss_family = AF_UNIX;
    return storage;
}

static bool take(struct log_quota *quota, const char *peer)
{
    struct sockaddr_storage storage = address(peer);

    return log_quota_take(quota, (const struct sockaddr *)&storage);
}

static uint32_t renew(struct log_quota *quota)
{
    uint32_t losses[LOG_LOSSES];

    log_quota_renew(quota, 0, losses);
    return losses[LOG_LOSS_SOURCE];
}

// Who uses up the quota, who is asked about then, and whether it has a quota of its own.
static const struct {
    const char *noisy, *other;
    bool own;
} rows[] = {
    {"192.0.2.1", "192.0.2.1", false},
    {"192.0.2.1", "192.0.2.2", true},
    {"192.0.2.1", "::ffff:192.0.2.1", false},
    {"2001:db8::1", "2001:db8::2", false},
    {"2001:db8::1", "2001:db8:0:0:ffff::9", false},
    {"2001:db8::1", "2001:db8:0:1::1", true},
    {"unix", "unix", false},
    {"unix", "127.0.0.1", true},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct log_quota quota = {0};

        for (unsigned n = 0; n < LOG_QUOTA; n++)
            check_true(rows[i].noisy, take(&quota, rows[i].noisy));
        check_true(rows[i].noisy, !take(&quota, rows[i].noisy));
        check_true(rows[i].other, take(&quota, rows[i].other) == rows[i].own);
        check_number(rows[i].other, renew(&quota), rows[i].own ? 1 : 2);
        check_true(rows[i].noisy, take(&quota, rows[i].noisy));
        check_number(rows[i].other, renew(&quota), 0);
    }
}

// How many records pass, in the order of the rows; two at a time but for urgent ones.
static const struct {
    const char *name;
    unsigned rate, urgent;
    uint64_t at_msec;
    unsigned want;
} rates[] = {
    {"a second's worth, less what is kept", 100, 0, 0, 74},
    {"what is kept for urgent ones", 100, 1, 0, 26},
    {"nothing more at that moment", 100, 1, 0, 0},
    {"a tenth of a second later, urgent ones", 100, 1, 100, 10},
    {"still nothing for others", 100, 0, 250, 0},
    {"all has come back but what is kept", 100, 0, 5000, 74},
    {"no bound", 0, 0, 5000, 2000},
};

static unsigned take_all(struct log_quota *quota, size_t row)
{
    unsigned n = 0, step = rates[row].urgent ? 1 : 2;
    uint64_t now = (1000 + rates[row].at_msec) * USEC_PER_MSEC;

    while (n < 2000 && log_quota_take_rate(quota, rates[row].rate, step, rates[row].urgent, now))
        n += step;
    return n;
}

static void test_rates(void **state)
{
    struct log_quota quota = {0};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rates); i++)
        check_number(rates[i].name, take_all(&quota, i), rates[i].want);
}

// Less than a session's records in a second: one session when nothing was logged for long.
static void test_low_rate(void **state)
{
    struct log_quota quota = {0};

    (void)state;
    check_true("first", log_quota_take_rate(&quota, 1, 2, false, USEC_PER_SEC));
    check_true("at once", !log_quota_take_rate(&quota, 1, 2, false, USEC_PER_SEC));
    check_true("a second later", !log_quota_take_rate(&quota, 1, 2, false, 2 * USEC_PER_SEC));
    check_true("paid for", log_quota_take_rate(&quota, 1, 2, false, 3 * USEC_PER_SEC));
}

// A worker that spoils the number stops the log for a second at most.
static void test_renew(void **state)
{
    struct log_quota quota = {.paid_nsec = UINT64_MAX};
    uint32_t losses[LOG_LOSSES];

    (void)state;
    log_quota_count(&quota, LOG_LOSS_RATE, 2);
    log_quota_count(&quota, LOG_LOSS_READER, 3);
    log_quota_renew(&quota, USEC_PER_SEC, losses);
    check_number("source", losses[LOG_LOSS_SOURCE], 0);
    check_number("rate", losses[LOG_LOSS_RATE], 2);
    check_number("reader", losses[LOG_LOSS_READER], 3);
    check_true("spoilt", !log_quota_take_rate(&quota, 100, 1, true, USEC_PER_SEC));
    check_true("mended", log_quota_take_rate(&quota, 100, 1, true, 2 * USEC_PER_SEC));
    log_quota_renew(&quota, USEC_PER_SEC, losses);
    check_number("said once", losses[LOG_LOSS_READER], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_rates),
                                       cmocka_unit_test(test_low_rate),
                                       cmocka_unit_test(test_renew)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
