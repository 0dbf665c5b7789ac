// SPDX-License-Identifier: MIT
// What top shows of the daemon and its pools, as lines.
#pragma once

#include <stdint.h>

#include "ctl/top_text.h"
#include "view/rates.h"

enum top_panel { TOP_TRAFFIC, TOP_WORKERS, TOP_PANELS };

// The daemon, what it does, what is wrong. now_usec: since 1970.
void top_summary_make(struct top_lines *lines, const struct counters_daemon *daemon,
                      const struct rates *sum, uint64_t now_usec);

// A line with the names of the columns, then one for each pool, then their sum. Columns that matter
// less are left out where a line would be wider; width 0: any width will do.
void top_table_make(struct top_lines *lines, const struct rates_view *view, enum top_panel panel,
                    int width);

// A rate in a cell: one digit behind the point below 10.
void top_put_rate(char *cell, double rate);
