// SPDX-License-Identifier: MIT
// The options of log, but --peer, which others have, too.
#pragma once

#include <stdbool.h>

#include "ctl/log_filter.h"

// Options of getopt_long(3) without a letter.
enum log_option { LOG_SINCE = 0x200, LOG_RESULT, LOG_LONGER, LOG_FOLLOW, LOG_DIRECTORY };

#define LOG_OPTION_NAMES                                    \
    {"since", required_argument, NULL, LOG_SINCE},          \
        {"result", required_argument, NULL, LOG_RESULT},    \
        {"longer", required_argument, NULL, LOG_LONGER},    \
        {"follow", no_argument, NULL, LOG_FOLLOW},          \
    {                                                       \
        "directory", required_argument, NULL, LOG_DIRECTORY \
    }

struct log_options {
    struct log_filter filter;
    const char *directory; // of a journal, NULL: this machine's
    bool follow;
    bool is_given; // any of them
};

// False: it is none of them. *ret_wrong: what its value has to be, to which the value is added.
bool log_options_take(struct log_options *options, int option, const char *value,
                      const char **ret_wrong);
