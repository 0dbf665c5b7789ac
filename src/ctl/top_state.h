// SPDX-License-Identifier: MIT
// What the user of top has chosen, and what keys change of it.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"
#include "ctl/top_table.h"
#include "view/rates.h"
#include "view/session_rates.h"

#define TOP_WORDS_MAX      64
#define TOP_NOTICE_MAX     160
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

// TOP_LOOK: what is shown needs a look. TOP_KICK: state->session is to be ended.
enum top_action { TOP_DRAW, TOP_REPAINT, TOP_PACE, TOP_LOOK, TOP_KICK, TOP_QUIT };

// What is shown: services, sessions.
enum top_layout { TOP_BOTH, TOP_POOLS, TOP_SESSIONS, TOP_LAYOUTS };

// What is being typed.
enum top_prompt { TOP_NO_PROMPT, TOP_ASKS_WORDS, TOP_ASKS_SESSION, TOP_ASKS_SURE };

struct top_state {
    enum rates_order order;
    enum session_rates_order sessions_order;
    enum top_panel panel;
    enum top_layout layout;
    uint64_t delay_usec;
    bool is_reversed, is_paused, has_totals, has_help;
    bool has_sessions; // the daemon tells them
    enum top_prompt prompt;
    char words[TOP_WORDS_MAX];    // the filter
    char session[SESSION_ID_MAX]; // to be ended
    char notice[TOP_NOTICE_MAX];  // until the next key
    size_t first;                 // the line that stands on top of sessions, else of services
    size_t page;                  // how many of them the screen shows
};

// What is to be done about a key, a byte or an enum top_key.
enum top_action top_state_take(struct top_state *state, int key);

// What is chosen, in a line.
void top_state_describe(const struct top_state *state, struct top_lines *lines);
void top_state_help(struct top_lines *lines);
extern const char top_state_keys[]; // the most important ones, for the last line
