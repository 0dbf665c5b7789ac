// SPDX-License-Identifier: MIT
// From the top: the daemon, what is wrong, what was chosen; services; sessions; on the last line
// keys. Names of columns stay where they are when the lines below them move.

#include "ctl/top_draw.h"

#include "ctl/top_screen.h"

#define BOTH_MIN_LINES 8 // for services and sessions together

// Some lines, of which the first n_fixed stay and the others begin with number first.
static void put_part(const struct top_lines *lines, size_t n_fixed, size_t first, size_t room)
{
    for (size_t i = 0; i < room && i < lines->n; i++) {
        size_t line = i < n_fixed ? i : i + first;

        if (line < lines->n)
            top_screen_put(&lines->lines[line]);
    }
}

// The part that moves.
static void put_moving(struct top_state *state, const struct top_lines *lines, size_t n_fixed,
                       size_t room)
{
    size_t n = lines->n - n_fixed, shown = room > n_fixed ? room - n_fixed : 0;

    state->page = shown;
    if (shown > n)
        shown = n;
    if (state->first > n - shown)
        state->first = n - shown;
    put_part(lines, n_fixed, state->first, room);
}

// Sessions have what services do not need, and half of it in any case.
static size_t room_of_pools(size_t wanted, size_t n_sessions, size_t room)
{
    size_t half = room / 2, left = n_sessions < half ? room - n_sessions : room - half;

    return wanted < left ? wanted : left;
}

static void put_tables(struct top_view *view, const struct top_lines *pools, int columns,
                       size_t room)
{
    struct top_state *state = &view->state;
    enum top_layout layout = state->has_sessions ? state->layout : TOP_POOLS;
    struct top_lines sessions = {0};
    size_t of_pools;

    if (layout == TOP_BOTH && room < BOTH_MIN_LINES)
        layout = TOP_POOLS;
    if (layout == TOP_POOLS) {
        put_moving(state, pools, 1, room);
        return;
    }
    top_print_sessions(view, &sessions, columns);
    of_pools = layout == TOP_BOTH ? room_of_pools(pools->n, sessions.n, room) : 0;
    put_part(pools, 1, 0, of_pools);
    put_moving(state, &sessions, 2, room - of_pools);
    top_lines_done(&sessions);
}

void top_draw(struct top_view *view, const char *problem)
{
    struct top_lines head = {0}, pools = {0};
    int rows, columns;
    size_t used;

    top_screen_size(&rows, &columns);
    top_screen_begin();
    if (view->state.has_help) {
        top_state_help(&head);
    } else {
        top_print_pools(view, &head, &pools, columns);
        if (problem[0] != '\0')
            top_lines_add(&head, TOP_ALARM, "%s", problem);
        top_state_describe(&view->state, &head);
    }
    put_part(&head, head.n, 0, head.n);
    used = head.n + 1; // a line is for the keys
    if (pools.n > 0)
        put_tables(view, &pools, columns, (size_t)rows > used ? (size_t)rows - used : 0);
    top_screen_end(top_state_keys);
    top_lines_done(&head);
    top_lines_done(&pools);
}
