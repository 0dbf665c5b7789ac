// SPDX-License-Identifier: MIT
// A table of columns, each of which knows how to fill its cells. They are as wide as what they
// hold.

#include "ctl/top_table.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/base.h"
#include "view/figures.h"

#define CELL         192
#define GAP          2
#define LISTENER_MAX 24 // columns, where the width is limited

// ---- Figures ----------------------------------------------------------------------------------

static void put_number(char *cell, uint64_t number)
{
    (void)snprintf(cell, CELL, "%" PRIu64, number);
}

// A rate: one digit behind the point below 10.
static void put_rate(char *cell, double rate)
{
    if (rate >= 9.95)
        (void)figure_bytes((uint64_t)(rate + 0.5), cell, CELL);
    else if (rate >= 0.05)
        (void)snprintf(cell, CELL, "%.1f", rate);
    else
        (void)snprintf(cell, CELL, "%s", rate > 0 ? "<0.1" : "0");
}

static void put_share(char *cell, double share)
{
    (void)snprintf(cell, CELL, "%u%%", (unsigned)(share * 100 + 0.5));
}

// Bounds are 1, 2 or 5 times a power of ten.
static void put_bound(char *cell, uint64_t usec)
{
    const char *at_most = top_text_at_most();

    if (usec == RATES_NONE)
        (void)snprintf(cell, CELL, "-");
    else if (usec == RATES_BEYOND)
        (void)snprintf(cell, CELL, ">%" PRIu64 "s",
                       histogram_bounds[HISTOGRAM_BOUNDS - 1] / USEC_PER_SEC);
    else if (usec < USEC_PER_MSEC)
        (void)snprintf(cell, CELL, "%s0.%" PRIu64 "ms", at_most, usec / 100);
    else if (usec < USEC_PER_SEC)
        (void)snprintf(cell, CELL, "%s%" PRIu64 "ms", at_most, usec / USEC_PER_MSEC);
    else
        (void)snprintf(cell, CELL, "%s%" PRIu64 "s", at_most, usec / USEC_PER_SEC);
}

// ---- Columns ----------------------------------------------------------------------------------

// How a cell is filled from what is at the column's offset.
enum kind { SERVICE, LISTENER, NUMBER, RATE, SHARE, BOUND, QUEUE, NOTE };

struct column {
    const char *name;
    enum kind kind;
    size_t offset;
    unsigned rank; // of those that do not fit the one with the highest goes first; 0: it stays
};

#define COLUMN(name, kind, member, rank)                 \
    {                                                    \
        name, kind, offsetof(struct rates, member), rank \
    }

static const struct column traffic[] = {
    COLUMN("SERVICE", SERVICE, pool, 0),  COLUMN("LISTENER", LISTENER, pool, 2),
    COLUMN("BUSY", NUMBER, n_busy, 0),    COLUMN("MAX", NUMBER, max, 1),
    COLUMN("BUSY%", SHARE, busy, 6),      COLUMN("RATE", RATE, sessions, 1),
    COLUMN("IN/s", RATE, received, 8),    COLUMN("OUT/s", RATE, sent, 7),
    COLUMN("QUEUE", QUEUE, queue, 1),     COLUMN("50%", BOUND, duration_50, 9),
    COLUMN("99%", BOUND, duration_99, 4), COLUMN("WAIT 99%", BOUND, wait_99, 3),
    COLUMN("FAILED/s", RATE, failed, 5),  COLUMN("REFUSED/s", RATE, refused, 10),
};

static const struct column workers[] = {
    COLUMN("SERVICE", SERVICE, pool, 0),
    COLUMN("LISTENER", LISTENER, pool, 2),
    COLUMN("WORKERS", NUMBER, n_workers, 6),
    COLUMN("BUSY", NUMBER, n_busy, 0),
    COLUMN("IDLE", NUMBER, n_idle, 0),
    COLUMN("PARKED", NUMBER, n_parked, 7),
    COLUMN("STARTING", NUMBER, n_starting, 5),
    COLUMN("DRAINING", NUMBER, n_draining, 3),
    COLUMN("MIN", NUMBER, min, 9),
    COLUMN("SPARE", NUMBER, spare, 10),
    COLUMN("MAX", NUMBER, max, 1),
    COLUMN("FULL", SHARE, full, 4),
    COLUMN("STARTS", NUMBER, starts, 11),
    COLUMN("DEATHS", NUMBER, deaths, 8),
    COLUMN("NOTE", NOTE, pool, 12),
};

#define COLUMNS_MAX (ELEMENTS(workers) > ELEMENTS(traffic) ? ELEMENTS(workers) : ELEMENTS(traffic))

static const struct {
    const struct column *columns;
    size_t n;
} panels[TOP_PANELS] = {
    [TOP_TRAFFIC] = {traffic, ELEMENTS(traffic)},
    [TOP_WORKERS] = {workers, ELEMENTS(workers)},
};

struct table {
    const struct column *columns;
    size_t n_columns;
    char (*cells)[COLUMNS_MAX][CELL]; // a row each
    size_t n_rows;
    int widths[COLUMNS_MAX];
    bool is_left_out[COLUMNS_MAX];
};

static bool is_on_the_left(const struct column *column)
{
    return column->kind == SERVICE || column->kind == LISTENER || column->kind == NOTE;
}

static void put_queue(char *cell, const struct rates *rates)
{
    if (rates->pool)
        (void)snprintf(cell, CELL, "%" PRIu64 "/%" PRIu64, rates->queue, rates->pool->queue_limit);
    else
        put_number(cell, rates->queue);
}

static void fill(char *cell, const struct column *column, const struct rates *rates)
{
    const void *place = (const char *)rates + column->offset;
    const struct counters_pool *pool = rates->pool;

    if (column->kind == SERVICE)
        (void)snprintf(cell, CELL, "%s", pool ? pool->service : "total");
    else if (column->kind == LISTENER)
        (void)snprintf(cell, CELL, "%s", pool ? pool->listener : "");
    else if (column->kind == NUMBER)
        put_number(cell, *(const uint64_t *)place);
    else if (column->kind == RATE)
        put_rate(cell, *(const double *)place);
    else if (column->kind == QUEUE)
        put_queue(cell, rates);
    else if (column->kind == NOTE)
        (void)snprintf(cell, CELL, "%s", pool && pool->is_throttled ? "throttled" : "");
    else if (column->kind == BOUND && pool)
        put_bound(cell, *(const uint64_t *)place);
    else if (column->kind == SHARE && (pool || column->offset == offsetof(struct rates, busy)))
        put_share(cell, *(const double *)place);
}

// rates NULL: the names of the columns.
static void add_row(struct table *table, const struct rates *rates)
{
    for (size_t i = 0; i < table->n_columns; i++) {
        char *cell = table->cells[table->n_rows][i];
        int width;

        if (rates)
            fill(cell, &table->columns[i], rates);
        else
            (void)snprintf(cell, CELL, "%s", table->columns[i].name);
        top_text_clean(cell);
        width = top_text_width(cell);
        if (width > table->widths[i])
            table->widths[i] = width;
    }
    table->n_rows++;
}

static int whole_width(const struct table *table)
{
    int width = -GAP;

    for (size_t i = 0; i < table->n_columns; i++)
        if (!table->is_left_out[i])
            width += table->widths[i] + GAP;
    return width;
}

// Leaves out columns until the rest fits, as far as there are some to leave out.
static void fit(struct table *table, int width)
{
    for (size_t i = 0; i < table->n_columns; i++)
        if (table->columns[i].kind == LISTENER && table->widths[i] > LISTENER_MAX &&
            whole_width(table) > width)
            table->widths[i] = LISTENER_MAX;
    while (whole_width(table) > width) {
        size_t last = 0; // which stays

        for (size_t i = 0; i < table->n_columns; i++)
            if (!table->is_left_out[i] && table->columns[i].rank > table->columns[last].rank)
                last = i;
        if (table->columns[last].rank == 0)
            return;
        table->is_left_out[last] = true;
    }
}

static void add_line(struct top_lines *lines, const struct table *table, size_t row,
                     enum top_style style)
{
    char *text = NULL;
    size_t size, last = 0;
    FILE *stream = base_checked(open_memstream(&text, &size));
    int gap = 0;

    for (size_t i = 0; i < table->n_columns; i++)
        if (!table->is_left_out[i] && table->cells[row][i][0] != '\0')
            last = i;
    for (size_t i = 0; i <= last; i++) {
        char *cell = table->cells[row][i];
        int pad;

        if (table->is_left_out[i])
            continue;
        top_text_cut(cell, table->widths[i]);
        pad = table->widths[i] - top_text_width(cell);
        if (is_on_the_left(&table->columns[i])) {
            (void)fprintf(stream, "%*s%s", gap, "", cell);
            gap = GAP + pad;
        } else {
            (void)fprintf(stream, "%*s%s", gap + pad, "", cell);
            gap = GAP;
        }
    }
    if (fclose(stream) != 0)
        base_out_of_memory();
    top_lines_add(lines, style, "%s", text);
    free(text);
}

static enum top_style style_of(const struct rates *rates)
{
    if (rates->max > 0 && rates->n_busy >= rates->max)
        return TOP_ALARM;
    return rates->queue > 0 || rates->pool->is_throttled ? TOP_WARNING : TOP_PLAIN;
}

void top_table_make(struct top_lines *lines, const struct rates_view *view, enum top_panel panel,
                    int width)
{
    struct table table = {.columns = panels[panel].columns, .n_columns = panels[panel].n};

    table.cells = base_checked(calloc(view->n + 2, sizeof(table.cells[0])));
    add_row(&table, NULL);
    for (size_t i = 0; i < view->n; i++)
        add_row(&table, &view->rates[i]);
    if (view->n > 1)
        add_row(&table, &view->sum);
    if (width > 0)
        fit(&table, width);
    for (size_t i = 0; i < table.n_rows; i++)
        add_line(lines, &table, i,
                 i == 0         ? TOP_HEAD
                 : i <= view->n ? style_of(&view->rates[i - 1])
                                : TOP_PLAIN);
    free(table.cells);
}

// ---- Summary ----------------------------------------------------------------------------------

void top_summary_make(struct top_lines *lines, const struct counters_daemon *daemon,
                      const struct rates *sum, uint64_t now_usec)
{
    uint64_t up_usec = now_usec > daemon->started_usec ? now_usec - daemon->started_usec : 0;
    time_t now = (time_t)(now_usec / USEC_PER_SEC);
    char up[FIGURE_MAX], rate[CELL], clock[16] = "";
    struct tm local;

    if (localtime_r(&now, &local))
        (void)strftime(clock, sizeof(clock), " | %H:%M:%S", &local);
    put_rate(rate, sum->sessions);
    top_lines_add(lines, TOP_NOTICE,
                  "tcpd %s: %s, up %s, generation %" PRIu64 " | %s sessions/s | %" PRIu64
                  " of %" PRIu64 " worker%s busy | %" PRIu64 " waiting%s",
                  daemon->version, daemon->state, figure_age(up_usec, up, sizeof(up)),
                  daemon->generation, rate, sum->n_busy, sum->n_workers, PLURAL(sum->n_workers),
                  sum->queue, clock);
    if (!daemon->reload_is_good)
        top_lines_add(lines, TOP_ALARM, "The last reload failed: see tcpdctl status");
    if (daemon->addresses_not_served > 0)
        top_lines_add(lines, TOP_ALARM, "%" PRIu64 " address%s not served: see tcpdctl status",
                      daemon->addresses_not_served,
                      daemon->addresses_not_served == 1 ? " is" : "es are");
}
