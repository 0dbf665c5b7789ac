// SPDX-License-Identifier: MIT
// Cells in columns, which are as wide as what they hold; columns that matter less are left out
// where there is no room for all.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "ctl/top_text.h"

#define TOP_CELL        192
#define TOP_COLUMNS_MAX 16

struct top_column {
    const char *name;
    bool is_left;  // aligned
    unsigned rank; // of those that do not fit the one with the highest goes first; 0: it stays
    int limit;     // of its width, where there is no room for all; 0: none
};

typedef char top_cells[TOP_COLUMNS_MAX][TOP_CELL]; // of a row

struct top_grid {
    const struct top_column *columns;
    size_t n_columns;
    top_cells *rows; // owned; the first has the names of the columns
    enum top_style *styles;
    size_t n_rows;
};

void top_grid_init(struct top_grid *grid, const struct top_column *columns, size_t n_columns,
                   size_t n_rows_max);
// The cells of another row, which are empty.
top_cells *top_grid_add(struct top_grid *grid, enum top_style style);
// Adds a line for each row. width 0: any width will do.
void top_grid_make(struct top_grid *grid, struct top_lines *lines, int width);
void top_grid_done(struct top_grid *grid);
