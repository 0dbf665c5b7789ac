// SPDX-License-Identifier: MIT
#include "transport/tls_expiry.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "base/base.h"
#include "log/log.h"

#define DAY_SEC  INT64_C(86400)
#define NEAR_SEC (21 * DAY_SEC) // or a quarter of its life, if that is shorter

bool tls_expiry_is_near(const struct certificate *certificate, int64_t now_sec)
{
    int64_t quarter = (certificate->until_sec - certificate->since_sec) / 4;

    return certificate->until_sec != 0 &&
           certificate->until_sec - now_sec < (quarter < NEAR_SEC ? quarter : NEAR_SEC);
}

// "expires on 2026-12-03 12:00 UTC, in 6 days". Returns text.
static const char *describe(const struct certificate *certificate, int64_t now_sec, char *text,
                            size_t size)
{
    const time_t until = certificate->until_sec;
    int64_t days = (certificate->until_sec - now_sec) / DAY_SEC;
    char when[64] = "";
    struct tm tm;

    if (gmtime_r(&until, &tm))
        (void)strftime(when, sizeof(when), "%Y-%m-%d %H:%M UTC", &tm);
    if (certificate->until_sec < now_sec)
        (void)snprintf(text, size, "has expired on %s", when);
    else
        (void)snprintf(text, size, "expires on %s, in %" PRId64 " day%s", when, days, PLURAL(days));
    return text;
}

void tls_expiry_describe(const struct config *config, char *text, size_t size)
{
    const struct certificate *first = NULL;
    int64_t now_sec = time(NULL);
    size_t n = 0;
    char when[128];

    text[0] = '\0';
    for (size_t i = 0; i < config->n_certificates; i++) {
        const struct certificate *certificate = &config->certificates[i];

        if (!tls_expiry_is_near(certificate, now_sec))
            continue;
        if (!first || certificate->until_sec < first->until_sec)
            first = certificate;
        n++;
    }
    if (n > 1)
        (void)snprintf(text, size, "%zu certificates expire or have expired, first \"%s\"", n,
                       first->name);
    else if (n > 0)
        (void)snprintf(text, size, "certificate \"%s\" %s", first->name,
                       describe(first, now_sec, when, sizeof(when)));
}

void tls_expiry_warn(const struct config *config, struct problems *warnings)
{
    int64_t now_sec = time(NULL);
    char text[128];

    for (size_t i = 0; i < config->n_certificates; i++) {
        const struct certificate *certificate = &config->certificates[i];

        if (tls_expiry_is_near(certificate, now_sec) && certificate->until_sec > now_sec)
            problems_add(warnings, certificate->file, certificate->line, "certificate \"%s\" %s",
                         certificate->name, describe(certificate, now_sec, text, sizeof(text)));
    }
}

void tls_expiry_tick(const struct config *config, uint64_t now_usec)
{
    static uint64_t due_usec;
    int64_t now_sec = time(NULL);
    char text[128];

    if (due_usec == 0) // those of the start have been warned of
        due_usec = now_usec + DAY_SEC * USEC_PER_SEC;
    if (now_usec < due_usec)
        return;
    due_usec = now_usec + DAY_SEC * USEC_PER_SEC;
    for (size_t i = 0; i < config->n_certificates; i++) {
        const struct certificate *certificate = &config->certificates[i];

        if (tls_expiry_is_near(certificate, now_sec))
            log_record(certificate->until_sec < now_sec ? LOG_ERR : LOG_WARNING,
                       EVENT_CERTIFICATE_EXPIRES, NULL, 0, "certificate \"%s\" %s",
                       certificate->name, describe(certificate, now_sec, text, sizeof(text)));
    }
}
