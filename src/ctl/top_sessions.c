// SPDX-License-Identifier: MIT
#include "ctl/top_sessions.h"

#include <stdio.h>

#include "base/base.h"
#include "base/escape.h"
#include "ctl/top_grid.h"
#include "ctl/top_table.h"
#include "view/figures.h"

#define CLIENT_MAX 24 // columns, where the width is limited

enum column { ID, SERVICE, LISTENER, CLIENT, AGE, DOING, IN, OUT, IN_RATE, OUT_RATE, COLUMNS };

static const struct top_column columns[COLUMNS] = {
    [ID] = {"ID", true, 0, 0},
    [SERVICE] = {"SERVICE", true, 6, 0},
    [LISTENER] = {"LISTENER", true, 9, CLIENT_MAX},
    [CLIENT] = {"CLIENT", true, 1, CLIENT_MAX},
    [AGE] = {"AGE", false, 2, 0},
    [DOING] = {"DOING", true, 3, 0},
    [IN] = {"IN", false, 8, 0},
    [OUT] = {"OUT", false, 7, 0},
    [IN_RATE] = {"IN/s", false, 5, 0},
    [OUT_RATE] = {"OUT/s", false, 4, 0},
};

static void fill(top_cells *cells, const struct session_rates *rates)
{
    const struct session_row *row = rates->row;
    char *client = (*cells)[CLIENT];

    (void)session_id_format(row->pid, row->number, (*cells)[ID], TOP_CELL);
    escape_copy(row->service, (*cells)[SERVICE], TOP_CELL);
    escape_copy(row->listener, (*cells)[LISTENER], TOP_CELL);
    (void)snprintf(client, TOP_CELL, "%s%s%s", row->peer[0] ? row->peer : "-",
                   row->through[0] ? " through " : "", row->through);
    (void)figure_age(row->age_usec, (*cells)[AGE], TOP_CELL);
    (void)snprintf((*cells)[DOING], TOP_CELL, "%s%s", row->doing, row->peer_ended ? ", ended" : "");
    (void)figure_bytes(row->received, (*cells)[IN], TOP_CELL);
    (void)figure_bytes(row->sent, (*cells)[OUT], TOP_CELL);
    top_put_rate((*cells)[IN_RATE], rates->received);
    top_put_rate((*cells)[OUT_RATE], rates->sent);
}

void top_sessions_make(struct top_lines *lines, const struct session_rates_view *view, size_t n,
                       int width)
{
    struct top_grid grid;

    if (n > view->n)
        n = view->n;
    top_grid_init(&grid, columns, ELEMENTS(columns), n);
    for (size_t i = 0; i < n; i++)
        fill(top_grid_add(&grid, TOP_PLAIN), &view->rates[i]);
    top_grid_make(&grid, lines, width);
    top_grid_done(&grid);
}
