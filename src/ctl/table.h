// SPDX-License-Identifier: MIT
// A table whose columns are as wide as what they hold: rows are made twice, first to be measured.
#pragma once

#include <stdbool.h>
#include <stdio.h>

#define TABLE_CELL    512
#define TABLE_COLUMNS 16

struct table_column {
    const char *name;
    bool is_number; // on the right of its column
};

struct table {
    const struct table_column *columns;
    int n; // columns that are shown
    int widths[TABLE_COLUMNS];
};

// Begins it with the names of its columns.
void table_open(struct table *table, const struct table_column *columns, int n);
void table_measure(struct table *table, char (*cells)[TABLE_CELL]);
void table_print(const struct table *table, FILE *stream, char (*cells)[TABLE_CELL]);
void table_print_names(const struct table *table, FILE *stream);
