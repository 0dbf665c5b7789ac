// SPDX-License-Identifier: MIT
// tls_expiry.c: three weeks before the end, or a quarter of a short life.

#include "transport/tls_expiry.h"

#include <string.h>

#include "unit.h"

#define DAY 86400

static void test_near(void **state)
{
    static const struct {
        int64_t since, until, now;
        bool is_near;
    } rows[] = {
        {0, 365 * DAY, 300 * DAY, false},
        {0, 365 * DAY, 344 * DAY, false},
        {0, 365 * DAY, 344 * DAY + 1, true},
        {0, 365 * DAY, 365 * DAY, true},
        {0, 365 * DAY, 400 * DAY, true},
        {0, 90 * DAY, 69 * DAY, false},
        {0, 90 * DAY, 69 * DAY + 1, true},
        {0, 45 * DAY, 33 * DAY, false},
        {0, 45 * DAY, 34 * DAY, true},
        {0, 6 * DAY, 4 * DAY, false},
        {0, 6 * DAY, 5 * DAY, true},
        {0, 0, 5 * DAY, false}, // nobody has read it
        {-5000 * DAY, 30 * DAY, 8 * DAY, false},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        const struct certificate certificate = {.since_sec = rows[i].since,
                                                .until_sec = rows[i].until};

        if (tls_expiry_is_near(&certificate, rows[i].now) != rows[i].is_near)
            fail_msg("row %zu", i);
    }
}

static void test_warnings(void **state)
{
    char www[] = "www", good[] = "good", file[] = "tcpd.conf";
    int64_t now = time(NULL);
    struct certificate certificates[] = {
        {.name = www,
         .file = file,
         .line = 3,
         .since_sec = now - 360 * DAY,
         .until_sec = now + 5 * DAY + 60},
        {.name = good, .file = file, .line = 7, .since_sec = now, .until_sec = now + 360 * DAY},
    };
    const struct config config = {.certificates = certificates, .n_certificates = 2};
    struct problems warnings = {0};

    (void)state;
    tls_expiry_warn(&config, &warnings);
    assert_int_equal(warnings.n, 1);
    assert_non_null(strstr(warnings.texts[0], "tcpd.conf:3: certificate \"www\" expires on "));
    assert_non_null(strstr(warnings.texts[0], " UTC, in 5 days"));
    problems_done(&warnings);
}

static void test_description(void **state)
{
    char www[] = "www", old[] = "old";
    int64_t now = time(NULL);
    struct certificate certificates[] = {
        {.name = www, .since_sec = now - 360 * DAY, .until_sec = now + DAY + 60},
        {.name = old, .since_sec = now - 360 * DAY, .until_sec = now - DAY},
        {.since_sec = now, .until_sec = now + 360 * DAY},
        {.until_sec = 0}, // which nobody has read
    };
    struct config config = {.certificates = certificates, .n_certificates = ELEMENTS(certificates)};
    char text[128];

    (void)state;
    tls_expiry_describe(&config, text, sizeof(text));
    assert_string_equal(text, "2 certificates expire or have expired, first \"old\"");
    config.n_certificates = 1;
    tls_expiry_describe(&config, text, sizeof(text));
    assert_non_null(strstr(text, "certificate \"www\" expires on "));
    assert_non_null(strstr(text, ", in 1 day"));
    config.certificates++;
    tls_expiry_describe(&config, text, sizeof(text));
    assert_non_null(strstr(text, "certificate \"old\" has expired on "));
    config.certificates++;
    config.n_certificates = 2;
    tls_expiry_describe(&config, text, sizeof(text));
    assert_string_equal(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_near), cmocka_unit_test(test_warnings),
                                       cmocka_unit_test(test_description)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
