// SPDX-License-Identifier: MIT
// daytime, RFC 867: "Saturday, November 21, 2026 02:03:36-UTC" in the local zone, or ISO 8601 with
// `format = iso8601`. Names are English whatever the locale: the daemon never calls setlocale().

#include <stddef.h>
#include <stdio.h>
#include <time.h>

#include "base/base.h"
#include "handlers/handlers.h"
#include "session/serving.h"

enum date_format { FORMAT_RFC867, FORMAT_ISO8601, FORMAT_N };

struct daytime {
    enum date_format format;
};

static const char *const format_names[FORMAT_N] = {
    [FORMAT_RFC867] = "rfc867", [FORMAT_ISO8601] = "iso8601"};

static const struct setting settings[] = {
    {FIELD("format", CHOICE, struct daytime, format), .initial = "rfc867", CHOICES(format_names)},
};

static const struct form form = FORM(struct daytime, settings);

static const struct daytime *options;

static size_t format_iso8601(const struct tm *local, char *text, size_t size)
{
    long offset = local->tm_gmtoff / 60;
    long minutes = offset < 0 ? -offset : offset;
    size_t n = strftime(text, size, "%Y-%m-%dT%H:%M:%S", local);

    return n + (size_t)snprintf(text + n, size - n, "%c%02ld:%02ld\r\n", offset < 0 ? '-' : '+',
                                minutes / 60, minutes % 60);
}

static void serve(struct tcpd_session *session)
{
    struct timespec now; // time(2) may lag behind
    struct tm local;
    char text[128];
    size_t n;

    (void)clock_gettime(CLOCK_REALTIME, &now); // cannot fail with this clock
    if (!localtime_r(&now.tv_sec, &local)) {
        tcpd_fail(session);
        return;
    }
    if (options->format == FORMAT_ISO8601)
        n = format_iso8601(&local, text, sizeof(text));
    else
        n = strftime(text, sizeof(text), "%A, %B %d, %Y %H:%M:%S-%Z\r\n", &local);
    (void)tcpd_write(session, text, n); // the session keeps the result
}

static int open_worker(const struct tcpd_worker *worker)
{
    options = serving_options(worker);
    return 0;
}

static void prepare(struct service *service, const struct section *section,
                    struct problems *problems)
{
    (void)service;
    (void)section;
    (void)problems;
    tzset(); // read the zone once here, not in every worker
}

const struct handler handler_daytime = {.name = "daytime",
                                        .face = {.abi = TCPD_HANDLER_ABI,
                                                 .open = open_worker,
                                                 .serve = serve,
                                                 .kinds = HANDLER_ALL_KINDS},
                                        .form = &form,
                                        .prepare = prepare};
