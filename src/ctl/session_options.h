// SPDX-License-Identifier: MIT
// The options of sessions and kick: which sessions are meant, how they are shown, how they end.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "view/sessions.h"

// Options of getopt_long(3) without a letter.
enum session_option {
    SESSION_PEER = 0x100,
    SESSION_OLDER,
    SESSION_DOING,
    SESSION_SORT,
    SESSION_LIMIT,
    SESSION_KERNEL,
    SESSION_WAITING,
    SESSION_RECENT,
    SESSION_SERVICE,
    SESSION_YES,
    SESSION_RESET,
    SESSION_KILL,
    SESSION_OPTIONS
};

#define SESSION_OPTION_NAMES                                                                  \
    {"peer", required_argument, NULL, SESSION_PEER},                                          \
        {"older", required_argument, NULL, SESSION_OLDER},                                    \
        {"doing", required_argument, NULL, SESSION_DOING},                                    \
        {"sort", required_argument, NULL, SESSION_SORT},                                      \
        {"limit", required_argument, NULL, SESSION_LIMIT},                                    \
        {"kernel", no_argument, NULL, SESSION_KERNEL},                                        \
        {"waiting", no_argument, NULL, SESSION_WAITING},                                      \
        {"recent", no_argument, NULL, SESSION_RECENT},                                        \
        {"service", required_argument, NULL, SESSION_SERVICE},                                \
        {"yes", no_argument, NULL, SESSION_YES}, {"reset", no_argument, NULL, SESSION_RESET}, \
    {                                                                                         \
        "kill", no_argument, NULL, SESSION_KILL                                               \
    }

struct session_options {
    const char *service; // of kick; NULL: not given
    const char *peer;    // NULL: whosoever they are
    uint64_t older_usec;
    const char *doing; // NULL: whatever it is
    enum sessions_order order;
    uint64_t limit; // 0: all
    char **ids;     // of kick, then NULL
    unsigned given; // a bit for each option
};

static inline bool session_options_has(const struct session_options *options,
                                       enum session_option option)
{
    return (options->given >> (option - SESSION_PEER) & 1) != 0;
}

// Takes one of them. NULL, or what its value has to be, to which the value is added.
const char *session_options_take(struct session_options *options, enum session_option option,
                                 const char *value);
// What is wrong with all of them together, and a word to be added; NULL: nothing.
const char *session_options_check(const struct session_options *options, bool is_list, bool is_kick,
                                  const char **ret_word);
