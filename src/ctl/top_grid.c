// SPDX-License-Identifier: MIT
#include "ctl/top_grid.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/base.h"

#define GAP 2

struct layout {
    int widths[TOP_COLUMNS_MAX];
    bool is_left_out[TOP_COLUMNS_MAX];
};

void top_grid_init(struct top_grid *grid, const struct top_column *columns, size_t n_columns,
                   size_t n_rows_max)
{
    top_cells *names;

    *grid = (struct top_grid){.columns = columns, .n_columns = n_columns};
    grid->rows = base_checked(calloc(n_rows_max + 1, sizeof(grid->rows[0])));
    grid->styles = base_checked(calloc(n_rows_max + 1, sizeof(grid->styles[0])));
    names = top_grid_add(grid, TOP_HEAD);
    for (size_t i = 0; i < n_columns; i++)
        (void)snprintf((*names)[i], TOP_CELL, "%s", columns[i].name);
}

top_cells *top_grid_add(struct top_grid *grid, enum top_style style)
{
    grid->styles[grid->n_rows] = style;
    return &grid->rows[grid->n_rows++];
}

static int whole_width(const struct top_grid *grid, const struct layout *layout)
{
    int width = -GAP;

    for (size_t i = 0; i < grid->n_columns; i++)
        if (!layout->is_left_out[i])
            width += layout->widths[i] + GAP;
    return width;
}

// Leaves out columns until the rest fits, as far as there are some to leave out.
static void fit(const struct top_grid *grid, struct layout *layout, int width)
{
    for (size_t i = 0; i < grid->n_columns && whole_width(grid, layout) > width; i++)
        if (grid->columns[i].limit > 0 && layout->widths[i] > grid->columns[i].limit)
            layout->widths[i] = grid->columns[i].limit;
    while (whole_width(grid, layout) > width) {
        size_t last = 0; // which stays

        for (size_t i = 0; i < grid->n_columns; i++)
            if (!layout->is_left_out[i] && grid->columns[i].rank > grid->columns[last].rank)
                last = i;
        if (grid->columns[last].rank == 0)
            return;
        layout->is_left_out[last] = true;
    }
}

static void measure(struct top_grid *grid, struct layout *layout)
{
    for (size_t row = 0; row < grid->n_rows; row++)
        for (size_t i = 0; i < grid->n_columns; i++) {
            char *cell = grid->rows[row][i];
            int width;

            top_text_clean(cell);
            width = top_text_width(cell);
            if (width > layout->widths[i])
                layout->widths[i] = width;
        }
}

static void add_line(struct top_grid *grid, const struct layout *layout, size_t row,
                     struct top_lines *lines)
{
    char *text = NULL;
    size_t size;
    FILE *stream = base_checked(open_memstream(&text, &size));
    int gap = 0; // is written when something follows

    for (size_t i = 0; i < grid->n_columns; i++) {
        char *cell = grid->rows[row][i];
        int pad;

        if (layout->is_left_out[i])
            continue;
        top_text_cut(cell, layout->widths[i]);
        pad = layout->widths[i] - top_text_width(cell);
        if (cell[0] == '\0') {
            gap += pad + GAP;
        } else if (grid->columns[i].is_left) {
            (void)fprintf(stream, "%*s%s", gap, "", cell);
            gap = pad + GAP;
        } else {
            (void)fprintf(stream, "%*s%s", gap + pad, "", cell);
            gap = GAP;
        }
    }
    if (fclose(stream) != 0)
        base_out_of_memory();
    top_lines_add(lines, grid->styles[row], "%s", text);
    free(text);
}

void top_grid_make(struct top_grid *grid, struct top_lines *lines, int width)
{
    struct layout layout = {0};

    measure(grid, &layout);
    if (width > 0)
        fit(grid, &layout, width);
    for (size_t row = 0; row < grid->n_rows; row++)
        add_line(grid, &layout, row, lines);
}

void top_grid_done(struct top_grid *grid)
{
    free(grid->rows);
    free(grid->styles);
    *grid = (struct top_grid){0};
}
