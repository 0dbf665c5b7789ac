// SPDX-License-Identifier: MIT
// log_quota.c: a source gets so many records in a period, whatever others do.

#include "log_quota.h"

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
        check_number(rows[i].other, log_quota_renew(&quota), rows[i].own ? 1 : 2);
        check_true(rows[i].noisy, take(&quota, rows[i].noisy));
        check_number(rows[i].other, log_quota_renew(&quota), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
