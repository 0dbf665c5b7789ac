// SPDX-License-Identifier: MIT
// Rates: a whole number and a unit. Longer units would ask for a memory that nobody has.

#include "base/rate.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"

static const struct {
    const char *name;
    uint32_t seconds;
} units[] = {{"s", 1}, {"min", 60}, {"h", 3600}};

int rate_parse(const char *text, struct rate *ret)
{
    const char *digits = text;
    uint32_t n = 0;

    if (!isdigit((unsigned char)*text))
        return -EINVAL;
    for (; isdigit((unsigned char)*text); text++)
        n = n > RATE_MAX ? n : n * 10 + (uint32_t)(*text - '0');
    if (*text == '\0' && n == 0) {
        *ret = (struct rate){0};
        return 0;
    }
    for (size_t i = 0; i < ELEMENTS(units) && *text == '/'; i++)
        if (strcmp(text + 1, units[i].name) == 0) {
            if (n == 0 || *digits == '0')
                return -EINVAL; // none at all? 0 alone is no limit
            if (n > RATE_MAX)
                return -ERANGE;
            *ret = (struct rate){n, units[i].seconds};
            return 0;
        }
    return -EINVAL;
}

const char *rate_format(const struct rate *rate, char *text, size_t size)
{
    (void)snprintf(text, size, "0");
    for (size_t i = 0; i < ELEMENTS(units); i++)
        if (rate->n > 0 && units[i].seconds == rate->seconds)
            (void)snprintf(text, size, "%" PRIu32 "/%s", rate->n, units[i].name);
    return text;
}

uint64_t rate_interval_nsec(const struct rate *rate)
{
    return rate->n > 0 ? rate->seconds * UINT64_C(1000000000) / rate->n : 0;
}
