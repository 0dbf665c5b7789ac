// SPDX-License-Identifier: MIT
// What sessions did between two looks at them, and in which order they are shown. Pure.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "view/sessions.h"

struct session_rates {
    const struct session_row *row;
    double received, sent; // a second
};

struct session_rates_view {
    struct session_rates *rates; // owned
    size_t n;
};

enum session_rates_order {
    SESSION_RATES_BY_AGE,
    SESSION_RATES_BY_IN,
    SESSION_RATES_BY_OUT,
    SESSION_RATES_BY_RATE, // in and out together
    SESSION_RATES_ORDERS
};
extern const char *const session_rates_order_names[SESSION_RATES_ORDERS];

struct session_rates_choice {
    const char *words; // part of a service's, listener's or client's name, in capitals or not
    enum session_rates_order order;
    bool is_reversed;
};

// Of all sessions that were chosen, the greatest first. before: usec microseconds ago; NULL: there
// was no such look, and those who have begun since then count from their beginning. Sorts the rows
// of both looks. *ret belongs to the caller, and points into now.
void session_rates_make(struct session_rates_view *ret, struct sessions *now,
                        struct sessions *before, uint64_t usec,
                        const struct session_rates_choice *choice);
void session_rates_done(struct session_rates_view *view);
