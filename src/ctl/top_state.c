// SPDX-License-Identifier: MIT
#include "ctl/top_state.h"

#include <stdint.h>
#include <string.h>

#include "base/base.h"
#include "base/timespan.h"

const char top_state_keys[] =
    "q quit  space pause  s sort  r reverse  w workers  t totals  / filter  h help";

#define CONTROL(letter) ((letter)&0x1f)

static void forget_words(struct top_state *state)
{
    state->words[0] = '\0';
    state->first = 0;
}

// Takes a whole character away, of UTF-8.
static void shorten(struct top_state *state)
{
    size_t n = strlen(state->words);

    while (n > 0 && ((unsigned char)state->words[n - 1] & 0xc0) == 0x80)
        n--;
    state->words[n > 0 ? n - 1 : 0] = '\0';
    state->first = 0;
}

static void type(struct top_state *state, int key)
{
    size_t n = strlen(state->words);

    if (key == TOP_KEY_ENTER || key == '\r' || key == '\n') {
        state->is_typing = false;
    } else if (key == TOP_KEY_ESCAPE) {
        state->is_typing = false;
        forget_words(state);
    } else if (key == TOP_KEY_BACKSPACE || key == CONTROL('h') || key == 0x7f) {
        shorten(state);
    } else if (key == CONTROL('u')) {
        forget_words(state);
    } else if (key >= ' ' && key <= UINT8_MAX && n + 1 < sizeof(state->words)) {
        state->words[n] = (char)key;
        state->words[n + 1] = '\0';
        state->first = 0;
    }
}

// Whoever draws sees to it that the end of the table is not left behind.
static void scroll(struct top_state *state, int key)
{
    size_t page = state->page > 1 ? state->page - 1 : 1;
    size_t step = key == TOP_KEY_UP || key == TOP_KEY_DOWN ? 1 : page;

    if (key == TOP_KEY_UP || key == TOP_KEY_PAGE_UP)
        state->first = state->first > step ? state->first - step : 0;
    else if (key == TOP_KEY_DOWN || key == TOP_KEY_PAGE_DOWN)
        state->first += step;
    else
        state->first = key == TOP_KEY_HOME ? 0 : SIZE_MAX / 2;
}

static enum top_action pace(struct top_state *state, bool is_faster)
{
    uint64_t usec = is_faster ? state->delay_usec / 2 : state->delay_usec * 2;

    if (usec < TOP_DELAY_MIN_USEC)
        usec = TOP_DELAY_MIN_USEC;
    if (usec > TOP_DELAY_MAX_USEC)
        usec = TOP_DELAY_MAX_USEC;
    state->delay_usec = usec;
    return TOP_PACE;
}

static void sort(struct top_state *state, bool is_backwards)
{
    unsigned step = is_backwards ? RATES_ORDERS - 1 : 1;

    state->order = (enum rates_order)(((unsigned)state->order + step) % RATES_ORDERS);
    state->first = 0;
}

static enum top_action command(struct top_state *state, int key)
{
    switch (key) {
    case 'q':
    case 'Q':
        return TOP_QUIT;
    case ' ':
        state->is_paused = !state->is_paused;
        break;
    case 's':
    case 'S':
        sort(state, key == 'S');
        break;
    case 'r':
        state->is_reversed = !state->is_reversed;
        break;
    case 'w':
        state->panel = (enum top_panel)((state->panel + 1) % TOP_PANELS);
        break;
    case 't':
        state->has_totals = !state->has_totals;
        break;
    case '/':
        state->is_typing = true;
        break;
    case TOP_KEY_ESCAPE:
        forget_words(state);
        break;
    case '+':
    case '-':
        return pace(state, key == '+');
    case 'h':
    case '?':
        state->has_help = true;
        break;
    case CONTROL('l'):
        return TOP_REPAINT;
    default:
        break;
    }
    return TOP_DRAW;
}

enum top_action top_state_take(struct top_state *state, int key)
{
    if (state->has_help) { // any key ends it
        state->has_help = false;
        return key == 'q' ? TOP_QUIT : TOP_DRAW;
    }
    if (key >= TOP_KEY_UP && key <= TOP_KEY_END) {
        scroll(state, key);
        return TOP_DRAW;
    }
    if (!state->is_typing)
        return command(state, key);
    type(state, key);
    return TOP_DRAW;
}

void top_state_describe(const struct top_state *state, struct top_lines *lines)
{
    bool is_sorted = state->order != RATES_AS_CONFIGURED, has_words = state->words[0] != '\0';
    char delay[TIMESPAN_TEXT_MAX];

    if (state->is_typing) {
        top_lines_add(lines, TOP_NOTICE, "Only what has: %s_", state->words);
        return;
    }
    (void)timespan_format(state->delay_usec, delay, sizeof(delay));
    top_lines_add(lines, TOP_PLAIN, "%s%s%s%s%s%s%s%s%s", state->is_paused ? "paused" : "every ",
                  state->is_paused ? "" : delay, state->has_totals ? ", since the start" : "",
                  is_sorted ? ", by " : "", is_sorted ? rates_order_names[state->order] : "",
                  state->is_reversed ? ", reversed" : "", has_words ? ", only \"" : "",
                  state->words, has_words ? "\"" : "");
}

void top_state_help(struct top_lines *lines)
{
    static const char *const texts[] = {
        "q           quit",
        "space       pause, and go on",
        "s, S        the next order: busy, rate, in, out, queue, wait, failed; back",
        "r           reverse the order",
        "w           workers by state, and back",
        "t           totals since the daemon's start, and back to what was since the last look",
        "/           show only what has these words in its name; Escape: all",
        "+, -        look twice as often, half as often",
        "up, down, page up, page down, home, end",
        "            move through the table",
        "Ctrl-L      paint the screen again",
        "",
        "RATE: new sessions a second.  50%, 99%: how long sessions took, at most.",
        "WAIT 99%: how long clients have waited in the queue.  BUSY%: of the maximum.",
        "FAILED/s: sessions that have not ended well.  FULL: time at the maximum.",
        "",
        "Press any key.",
    };

    for (size_t i = 0; i < ELEMENTS(texts); i++)
        top_lines_add(lines, TOP_PLAIN, "%s", texts[i]);
}
