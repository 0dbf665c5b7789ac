// SPDX-License-Identifier: MIT
#include "ctl/top_print.h"

#include "base/base.h"
#include "ctl/top_sessions.h"

#define SESSIONS_MAX 500 // that can be scrolled through

static uint64_t between(uint64_t before, uint64_t now)
{
    return now > before ? now - before : 0;
}

void top_print_pools(const struct top_view *view, struct top_lines *ret_head,
                     struct top_lines *ret_table, int width)
{
    const struct top_state *state = &view->state;
    const struct top_look *now = &view->now, *before = &view->before;
    const struct rates_choice choice = {.service = view->service,
                                        .words = state->words,
                                        .order = state->order,
                                        .is_reversed = state->is_reversed};
    const struct counters_daemon *daemon = &now->counters.daemon;
    bool is_since_start = state->has_totals || !before->reply;
    uint64_t usec = is_since_start ? between(daemon->started_usec, now->real_usec)
                                   : between(before->at_usec, now->at_usec);
    struct rates_view rates;

    rates_view_make(&rates, &now->counters, is_since_start ? NULL : &before->counters, usec,
                    &choice);
    top_summary_make(ret_head, daemon, &rates.sum, now->real_usec);
    top_table_make(ret_table, &rates, state->panel, width);
    rates_view_done(&rates);
}

void top_print_sessions(struct top_view *view, struct top_lines *ret, int width)
{
    const struct top_state *state = &view->state;
    const struct session_rates_choice choice = {.words = state->words,
                                                .order = state->sessions_order};
    struct sessions *before = view->before.has_sessions ? &view->before.sessions : NULL;
    struct session_rates_view rates;

    session_rates_make(&rates, &view->now.sessions, before,
                       between(view->before.at_usec, view->now.at_usec), &choice);
    top_lines_add(ret, TOP_NOTICE, "%s%zu session%s, by %s", view->now.is_cut ? "more than " : "",
                  rates.n, PLURAL(rates.n), session_rates_order_names[state->sessions_order]);
    top_sessions_make(ret, &rates, SESSIONS_MAX, width);
    session_rates_done(&rates);
}
