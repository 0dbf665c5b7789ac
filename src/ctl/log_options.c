// SPDX-License-Identifier: MIT
#include "ctl/log_options.h"

#include <time.h>

#include "base/base.h"
#include "base/timespan.h"

static const char *take_since(struct log_filter *filter, const char *value)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now); // cannot fail with this clock
    if (!log_filter_set_since(filter, value, (uint64_t)now.tv_sec * USEC_PER_SEC))
        return "--since takes a time such as 1h, today or \"2026-11-25 14:03\", not ";
    return NULL;
}

bool log_options_take(struct log_options *options, int option, const char *value,
                      const char **ret_wrong)
{
    *ret_wrong = NULL;
    if (option == LOG_SINCE)
        *ret_wrong = take_since(&options->filter, value);
    else if (option == LOG_RESULT)
        options->filter.result = value;
    else if (option == LOG_LONGER && timespan_parse(value, &options->filter.longer_usec) < 0)
        *ret_wrong = "--longer takes a time such as 10s, not ";
    else if (option == LOG_FOLLOW)
        options->follow = true;
    else if (option == LOG_DIRECTORY)
        options->directory = value;
    else if (option != LOG_LONGER)
        return false;
    options->is_given = true;
    return true;
}
