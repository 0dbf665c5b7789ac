// SPDX-License-Identifier: MIT
#include "ctl/top_print.h"

static uint64_t between(uint64_t before, uint64_t now)
{
    return now > before ? now - before : 0;
}

void top_print_make(struct top_lines *ret_head, struct top_lines *ret_table,
                    const struct top_look *now, const struct top_look *before,
                    const struct top_state *state, const char *service, int width)
{
    const struct rates_choice choice = {.service = service,
                                        .words = state->words,
                                        .order = state->order,
                                        .is_reversed = state->is_reversed};
    const struct counters_daemon *daemon = &now->counters.daemon;
    bool is_since_start = state->has_totals || !before->reply;
    uint64_t usec = is_since_start ? between(daemon->started_usec, now->real_usec)
                                   : between(before->at_usec, now->at_usec);
    struct rates_view view;

    rates_view_make(&view, &now->counters, is_since_start ? NULL : &before->counters, usec,
                    &choice);
    top_summary_make(ret_head, daemon, &view.sum, now->real_usec);
    top_table_make(ret_table, &view, state->panel, width);
    rates_view_done(&view);
}
