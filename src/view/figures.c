// SPDX-License-Identifier: MIT
#include "view/figures.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/base.h"

// One digit behind the point below 10, none above; tenths are what n is counted in.
static void format_tenths(uint64_t tenths, const char *unit, char *text, size_t size)
{
    if (tenths < 100)
        (void)snprintf(text, size, "%" PRIu64 ".%" PRIu64 "%s", tenths / 10, tenths % 10, unit);
    else
        (void)snprintf(text, size, "%" PRIu64 "%s", tenths / 10, unit);
}

const char *figure_bytes(uint64_t n, char *text, size_t size)
{
    static const char *const units[] = {"", "K", "M", "G", "T", "P", "E"};
    size_t unit = 0;
    uint64_t scale = 1;

    while (n / scale >= 1000) {
        scale *= 1000;
        unit++;
    }
    if (unit == 0)
        (void)snprintf(text, size, "%" PRIu64, n);
    else
        format_tenths(n / (scale / 10), units[unit], text, size);
    return text;
}

// Two units, the greater first.
static void format_two(uint64_t n, uint64_t per, const char *greater, const char *lesser,
                       char *text, size_t size)
{
    if (n % per == 0)
        (void)snprintf(text, size, "%" PRIu64 "%s", n / per, greater);
    else
        (void)snprintf(text, size, "%" PRIu64 "%s%" PRIu64 "%s", n / per, greater, n % per, lesser);
}

const char *figure_age(uint64_t usec, char *text, size_t size)
{
    uint64_t sec = usec / USEC_PER_SEC;

    if (sec < 60)
        format_tenths(usec / (USEC_PER_SEC / 10), "s", text, size);
    else if (sec < 3600)
        format_two(sec, 60, "m", "s", text, size);
    else if (sec < 86400)
        format_two(sec / 60, 60, "h", "m", text, size);
    else
        format_two(sec / 3600, 24, "d", "h", text, size);
    return text;
}

const char *figure_latency(uint64_t usec, char *text, size_t size)
{
    if (usec < USEC_PER_SEC)
        format_tenths(usec / (USEC_PER_MSEC / 10), "ms", text, size);
    else
        format_tenths(usec / (USEC_PER_SEC / 10), "s", text, size);
    return text;
}

const char *figure_queue(uint64_t n, char *text, size_t size)
{
    if (n == 1)
        (void)snprintf(text, size, "somebody waits");
    else
        (void)snprintf(text, size, "%" PRIu64 " clients wait", n);
    return text;
}
