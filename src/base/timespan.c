// SPDX-License-Identifier: MIT
// Spans of time: a sum of numbers with units, and back. Never rounds silently: a number is whole,
// and a text that is not understood to its last character is refused.

#include "base/timespan.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"

#define MINUTE (60 * USEC_PER_SEC)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

// In falling order; the first name of a length is the one written back.
static const struct {
    const char *name;
    uint64_t usec;
} units[] = {
    {"w", 7 * DAY},
    {"weeks", 7 * DAY},
    {"week", 7 * DAY},
    {"d", DAY},
    {"days", DAY},
    {"day", DAY},
    {"h", HOUR},
    {"hours", HOUR},
    {"hour", HOUR},
    {"hr", HOUR},
    {"min", MINUTE},
    {"minutes", MINUTE},
    {"minute", MINUTE},
    {"m", MINUTE},
    {"s", USEC_PER_SEC},
    {"seconds", USEC_PER_SEC},
    {"second", USEC_PER_SEC},
    {"sec", USEC_PER_SEC},
    {"ms", USEC_PER_MSEC},
    {"msec", USEC_PER_MSEC},
    {"us", 1},
    {"usec", 1},
};

static const char *skip_space(const char *text)
{
    while (*text == ' ' || *text == '\t')
        text++;
    return text;
}

// Reads a unit at *text and steps over it; no unit means seconds. 0 when the name is unknown.
static uint64_t read_unit(const char **text)
{
    size_t length = 0;

    while (isalpha((unsigned char)(*text)[length]))
        length++;
    if (length == 0)
        return USEC_PER_SEC;
    for (size_t i = 0; i < ELEMENTS(units); i++)
        if (strlen(units[i].name) == length && memcmp(units[i].name, *text, length) == 0) {
            *text += length;
            return units[i].usec;
        }
    return 0;
}

// Reads decimal digits at *text and steps over them.
static int read_number(const char **text, uint64_t *ret)
{
    uint64_t number = 0;

    if (!isdigit((unsigned char)**text))
        return -EINVAL;
    for (; isdigit((unsigned char)**text); (*text)++) {
        number = number * 10 + (uint64_t)(**text - '0');
        if (number > TIMESPAN_MAX_USEC)
            return -ERANGE;
    }
    *ret = number;
    return 0;
}

int timespan_parse(const char *text, uint64_t *ret_usec)
{
    uint64_t sum = 0;

    text = skip_space(text);
    do {
        uint64_t number, unit;
        int r = read_number(&text, &number);

        if (r < 0)
            return r;
        text = skip_space(text);
        unit = read_unit(&text);
        if (unit == 0)
            return -EINVAL;
        if (number > TIMESPAN_MAX_USEC / unit || sum + number * unit > TIMESPAN_MAX_USEC)
            return -ERANGE;
        sum += number * unit;
        text = skip_space(text);
    } while (*text != '\0');

    *ret_usec = sum;
    return 0;
}

const char *timespan_format(uint64_t usec, char *text, size_t size)
{
    size_t used = 0;
    uint64_t last_unit = 0;

    (void)snprintf(text, size, "0");
    for (size_t i = 0; i < ELEMENTS(units); i++) {
        int n;

        if (units[i].usec == last_unit || usec < units[i].usec)
            continue;
        last_unit = units[i].usec;
        n = snprintf(text + used, size - used, "%s%" PRIu64 "%s", used > 0 ? " " : "",
                     usec / last_unit, units[i].name);
        if (n < 0 || (size_t)n >= size - used) {
            text[used] = '\0'; // cut at a unit; TIMESPAN_TEXT_MAX is never short
            break;
        }
        used += (size_t)n;
        usec %= last_unit;
    }
    return text;
}
