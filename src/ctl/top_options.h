// SPDX-License-Identifier: MIT
// The options of top.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Options of getopt_long(3), by their letters.
#define TOP_OPTION_LETTERS "d:n:b"
#define TOP_OPTION_NAMES                                                              \
    {"delay", required_argument, NULL, 'd'}, {"count", required_argument, NULL, 'n'}, \
    {                                                                                 \
        "batch", no_argument, NULL, 'b'                                               \
    }

struct top_options {
    uint64_t delay_usec; // between two looks
    uint64_t count;      // of looks, 0: no end
    bool is_batch;       // lines, not a screen
    bool is_given;       // any of them
};

// As it is without options.
struct top_options top_options_default(void);
// False: it is none of them. *ret_wrong: what its value has to be, to which the value is added.
bool top_options_take(struct top_options *options, int option, const char *value,
                      const char **ret_wrong);
