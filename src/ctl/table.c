// SPDX-License-Identifier: MIT
#include "ctl/table.h"

// Characters, of UTF-8.
static int width(const char *text)
{
    int n = 0;

    for (; *text != '\0'; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

void table_open(struct table *table, const struct table_column *columns, int n)
{
    *table = (struct table){.columns = columns, .n = n};
    for (int i = 0; i < n; i++)
        table->widths[i] = width(columns[i].name);
}

void table_measure(struct table *table, char (*cells)[TABLE_CELL])
{
    for (int i = 0; i < table->n; i++)
        if (width(cells[i]) > table->widths[i])
            table->widths[i] = width(cells[i]);
}

static void print_cell(const struct table *table, FILE *stream, int i, const char *text)
{
    int pad = table->widths[i] - width(text);
    int before = table->columns[i].is_number ? pad : 0;
    int behind = table->columns[i].is_number || i == table->n - 1 ? 0 : pad;

    (void)fprintf(stream, "%s%*s%s%*s", i > 0 ? "  " : "", before, "", text, behind, "");
}

void table_print(const struct table *table, FILE *stream, char (*cells)[TABLE_CELL])
{
    for (int i = 0; i < table->n; i++)
        print_cell(table, stream, i, cells[i]);
    (void)fputc('\n', stream);
}

void table_print_names(const struct table *table, FILE *stream)
{
    for (int i = 0; i < table->n; i++)
        print_cell(table, stream, i, table->columns[i].name);
    (void)fputc('\n', stream);
}
