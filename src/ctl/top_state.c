// SPDX-License-Identifier: MIT
#include "ctl/top_state.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "base/timespan.h"

const char top_state_keys[] =
    "q quit  space pause  s sort  w workers  t total  l list  / only  k kick  h help";

#define CONTROL(letter) ((letter)&0x1f)

// What is typed, and the room for it.
static char *typed(struct top_state *state, size_t *ret_size)
{
    bool is_session = state->prompt == TOP_ASKS_SESSION;

    *ret_size = is_session ? sizeof(state->session) : sizeof(state->words);
    return is_session ? state->session : state->words;
}

// Takes a whole character away, of UTF-8.
static void shorten(char *text)
{
    size_t n = strlen(text);

    while (n > 0 && ((unsigned char)text[n - 1] & 0xc0) == 0x80)
        n--;
    text[n > 0 ? n - 1 : 0] = '\0';
}

static void note(struct top_state *state, const char *what)
{
    (void)snprintf(state->notice, sizeof(state->notice), "%s", what);
}

static void end_typing(struct top_state *state)
{
    bool is_session = state->prompt == TOP_ASKS_SESSION;
    uint64_t number;
    uint32_t pid;

    state->prompt = TOP_NO_PROMPT;
    if (!is_session)
        return;
    if (session_id_parse(state->session, &pid, &number))
        state->prompt = TOP_ASKS_SURE;
    else
        note(state, "a session's name is that in its first column, such as 48211.317");
}

static void type(struct top_state *state, int key)
{
    size_t size, n;
    char *text = typed(state, &size);

    if (state->prompt == TOP_ASKS_WORDS)
        state->first = 0;
    n = strlen(text);
    if (key == TOP_KEY_ENTER || key == '\r' || key == '\n') {
        end_typing(state);
    } else if (key == TOP_KEY_ESCAPE) {
        state->prompt = TOP_NO_PROMPT;
        text[0] = '\0';
    } else if (key == TOP_KEY_BACKSPACE || key == CONTROL('h') || key == 0x7f) {
        shorten(text);
    } else if (key == CONTROL('u')) {
        text[0] = '\0';
    } else if (key >= ' ' && key <= UINT8_MAX && n + 1 < size) {
        text[n] = (char)key;
        text[n + 1] = '\0';
    }
}

static enum top_action answer(struct top_state *state, int key)
{
    state->prompt = TOP_NO_PROMPT;
    if (key == 'y' || key == 'Y')
        return TOP_KICK;
    note(state, "nothing was ended");
    return TOP_DRAW;
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
        state->prompt = TOP_ASKS_WORDS;
        break;
    case TOP_KEY_ESCAPE:
        state->words[0] = '\0';
        state->first = 0;
        break;
    case 'l':
        state->layout = (enum top_layout)((state->layout + 1) % TOP_LAYOUTS);
        state->first = 0;
        return TOP_LOOK;
    case 'o':
        state->sessions_order = (enum session_rates_order)((state->sessions_order + 1) %
                                                           SESSION_RATES_ORDERS);
        state->first = 0;
        break;
    case 'k':
        if (state->has_sessions)
            state->prompt = TOP_ASKS_SESSION;
        state->session[0] = '\0';
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
    state->notice[0] = '\0';
    if (state->has_help) { // any key ends it
        state->has_help = false;
        return key == 'q' ? TOP_QUIT : TOP_DRAW;
    }
    if (state->prompt == TOP_ASKS_SURE)
        return answer(state, key);
    if (key >= TOP_KEY_UP && key <= TOP_KEY_END) {
        scroll(state, key);
        return TOP_DRAW;
    }
    if (state->prompt == TOP_NO_PROMPT)
        return command(state, key);
    type(state, key);
    return TOP_DRAW;
}

static bool describe_prompt(const struct top_state *state, struct top_lines *lines)
{
    if (state->prompt == TOP_ASKS_WORDS)
        top_lines_add(lines, TOP_NOTICE, "Only what has: %s_", state->words);
    else if (state->prompt == TOP_ASKS_SESSION)
        top_lines_add(lines, TOP_NOTICE, "End the session with the ID: %s_", state->session);
    else if (state->prompt == TOP_ASKS_SURE)
        top_lines_add(lines, TOP_NOTICE, "End the session %s? y, or any other key", state->session);
    else if (state->notice[0] != '\0')
        top_lines_add(lines, TOP_NOTICE, "%s", state->notice);
    else
        return false;
    return true;
}

void top_state_describe(const struct top_state *state, struct top_lines *lines)
{
    bool is_sorted = state->order != RATES_AS_CONFIGURED, has_words = state->words[0] != '\0';
    char delay[TIMESPAN_TEXT_MAX];

    if (describe_prompt(state, lines))
        return;
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
        "l           services and sessions, services alone, sessions alone",
        "o           sort sessions by age, bytes in, bytes out, rate",
        "k           end a session",
        "t           totals since the daemon's start, and back",
        "/           show only what has these words in its name; Escape: all",
        "+, -        look twice as often, half as often",
        "up, down, page up, page down, home, end",
        "            move through sessions, or services where those are alone",
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
