// SPDX-License-Identifier: MIT
// timespan.c against a simple reading of the same texts; what it writes it reads as the same.

#include <errno.h>

#include "base/timespan.h"

#include "fuzz.h"

static const struct {
    const char *names;
    uint64_t usec;
} units[] = {
    {" us usec ", 1},
    {" ms msec ", 1000},
    {"  s sec second seconds ", 1000000},
    {" m min minute minutes ", 60 * UINT64_C(1000000)},
    {" h hr hour hours ", 3600 * UINT64_C(1000000)},
    {" d day days ", 24 * 3600 * UINT64_C(1000000)},
    {" w week weeks ", 7 * 24 * 3600 * UINT64_C(1000000)},
};

static const char blanks[] = " \t", digits[] = "0123456789",
                  letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

// A word's unit, or 0.
static uint64_t unit_of(const char *word, size_t n)
{
    char spaced[32];

    if (n > sizeof(spaced) - 3)
        return 0;
    (void)snprintf(spaced, sizeof(spaced), " %.*s ", (int)n, word);
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (strstr(units[i].names, spaced))
            return units[i].usec;
    return 0;
}

// Whether a text is a sum of spans; *ret_usec: which, as far as doubles go, which is far enough to
// tell a sum beyond the maximum, and exact below 2^53.
static bool read_simply(const char *text, double *ret_usec)
{
    *ret_usec = 0;
    text += strspn(text, blanks);
    do {
        size_t n = strspn(text, digits), word;
        double number = strtod(text, NULL);
        uint64_t unit;

        if (n == 0)
            return false;
        if (text[n] == '.' || text[n] == 'e' || text[n] == 'E' || text[n] == 'x' || text[n] == 'X')
            return false; // strtod() would read on; none of these is a unit's beginning
        text += n + strspn(text + n, blanks);
        word = strspn(text, letters);
        unit = unit_of(text, word);
        if (unit == 0)
            return false;
        *ret_usec += number * (double)unit;
        text += word + strspn(text + word, blanks);
    } while (*text);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[200], written[TIMESPAN_TEXT_MAX];
    uint64_t usec = 0, again = 0;
    double simple;
    int r;

    if (size >= sizeof(text))
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    r = timespan_parse(text, &usec);
    if (!read_simply(text, &simple)) {
        MUST(r == -EINVAL || r == -ERANGE);
        return 0;
    }
    MUST(r == 0 || r == -ERANGE);
    if (r == -ERANGE) {
        MUST(simple > (double)TIMESPAN_MAX_USEC * 0.999999);
        return 0;
    }
    MUST(simple < (double)TIMESPAN_MAX_USEC * 1.000001 && usec <= TIMESPAN_MAX_USEC);
    MUST(simple >= 9e15 || usec == (uint64_t)simple);
    MUST(timespan_parse(timespan_format(usec, written, sizeof(written)), &again) == 0);
    MUST(again == usec);
    return 0;
}
