// SPDX-License-Identifier: MIT
// What resize, events and drain take beside the names of services.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Options of getopt_long(3) without a letter.
enum steer_option { STEER_WORKER = 0x300, STEER_LAST, STEER_KINDS, STEER_OPTIONS };

#define STEER_OPTION_NAMES                             \
    {"worker", required_argument, NULL, STEER_WORKER}, \
        {"last", required_argument, NULL, STEER_LAST}, \
    {                                                  \
        "kinds", required_argument, NULL, STEER_KINDS  \
    }

// The limits that resize takes, as its words and D-Bus name them.
enum steer_limit { STEER_MIN, STEER_SPARE, STEER_MAX, STEER_LIMITS };
extern const char *const steer_limit_names[STEER_LIMITS]; // "min"

struct steer_options {
    uint32_t worker; // drain; 0: none
    uint32_t last;   // events: so many that have happened
    char **kinds;    // events: an owned list, then NULL; NULL: all
    bool has_last;
    bool has_limit[STEER_LIMITS]; // resize; none: as configured
    uint32_t limits[STEER_LIMITS];
};

// Takes one of the options. NULL, or what its value has to be, to which the value is added.
const char *steer_options_take(struct steer_options *options, enum steer_option option,
                               const char *value);
// What is wrong with them for a command; NULL: nothing. services: that drain was given.
const char *steer_options_check(const struct steer_options *options, bool is_events, bool is_drain,
                                char **services);
// Takes the words behind the service of resize. The same, with the word that is wrong.
const char *steer_options_take_limits(struct steer_options *options, char **words,
                                      const char **ret_word);

// Whether the daemon takes it as a reason of maint.
bool steer_options_is_reason(const char *text);
