// SPDX-License-Identifier: MIT
// What the user of top has chosen, and what keys change of it.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"
#include "ctl/top_table.h"
#include "view/rates.h"

#define TOP_WORDS_MAX      64
#define TOP_DELAY_MIN_USEC (100 * USEC_PER_MSEC)
#define TOP_DELAY_MAX_USEC (3600 * USEC_PER_SEC)

// Keys that are no byte.
enum top_key {
    TOP_KEY_UP = 0x100,
    TOP_KEY_DOWN,
    TOP_KEY_PAGE_UP,
    TOP_KEY_PAGE_DOWN,
    TOP_KEY_HOME,
    TOP_KEY_END,
    TOP_KEY_ENTER,
    TOP_KEY_BACKSPACE,
    TOP_KEY_ESCAPE,
    TOP_KEY_OTHER,
};

enum top_action { TOP_DRAW, TOP_REPAINT, TOP_PACE, TOP_QUIT };

struct top_state {
    enum rates_order order;
    enum top_panel panel;
    uint64_t delay_usec;
    bool is_reversed, is_paused, has_totals, has_help;
    bool is_typing;            // the words of the filter
    char words[TOP_WORDS_MAX]; // the filter
    size_t first;              // the line of the table that stands on top
    size_t page;               // lines of the table that the screen shows
};

// What is to be done about a key, a byte or an enum top_key.
enum top_action top_state_take(struct top_state *state, int key);

// What is chosen, in a line.
void top_state_describe(const struct top_state *state, struct top_lines *lines);
void top_state_help(struct top_lines *lines);
extern const char top_state_keys[]; // the most important ones, for the last line
