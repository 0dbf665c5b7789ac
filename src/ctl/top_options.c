// SPDX-License-Identifier: MIT
#include "ctl/top_options.h"

#include <stdlib.h>
#include <string.h>

#include "base/timespan.h"
#include "ctl/top_state.h"

#define DELAY_USEC   (2 * USEC_PER_SEC)
#define COUNT_DIGITS 9

struct top_options top_options_default(void)
{
    return (struct top_options){.delay_usec = DELAY_USEC};
}

static const char *take_delay(struct top_options *options, const char *value)
{
    if (timespan_parse(value, &options->delay_usec) < 0 ||
        options->delay_usec < TOP_DELAY_MIN_USEC || options->delay_usec > TOP_DELAY_MAX_USEC)
        return "--delay takes a time from 100ms to 1h, not ";
    return NULL;
}

static const char *take_count(struct top_options *options, const char *value)
{
    size_t n = strspn(value, "0123456789");

    options->count = n > 0 && n <= COUNT_DIGITS && value[n] == '\0' ? strtoull(value, NULL, 10) : 0;
    return options->count > 0 ? NULL : "--count takes a number from 1 to 999999999, not ";
}

bool top_options_take(struct top_options *options, int option, const char *value,
                      const char **ret_wrong)
{
    *ret_wrong = NULL;
    if (option == 'd')
        *ret_wrong = take_delay(options, value);
    else if (option == 'n')
        *ret_wrong = take_count(options, value);
    else if (option == 'b')
        options->is_batch = true;
    else
        return false;
    options->is_given = true;
    return true;
}
