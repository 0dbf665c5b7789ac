// SPDX-License-Identifier: MIT
// A table of columns, each of which knows how to fill its cells. They are as wide as what they
// hold.

#include "ctl/top_table.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "base/base.h"
#include "base/escape.h"
#include "ctl/top_grid.h"
#include "view/figures.h"

#define LISTENER_MAX 24 // columns, where the width is limited

// ---- Figures ----------------------------------------------------------------------------------

static void put_number(char *cell, uint64_t number)
{
    (void)snprintf(cell, TOP_CELL, "%" PRIu64, number);
}

void top_put_rate(char *cell, double rate)
{
    if (rate >= 9.95)
        (void)figure_bytes((uint64_t)(rate + 0.5), cell, TOP_CELL);
    else if (rate >= 0.05)
        (void)snprintf(cell, TOP_CELL, "%.1f", rate);
    else
        (void)snprintf(cell, TOP_CELL, "%s", rate > 0 ? "<0.1" : "0");
}

static void put_share(char *cell, double share)
{
    (void)snprintf(cell, TOP_CELL, "%u%%", (unsigned)(share * 100 + 0.5));
}

// Bounds are 1, 2 or 5 times a power of ten.
static void put_bound(char *cell, uint64_t usec)
{
    const char *at_most = top_text_at_most();

    if (usec == RATES_NONE)
        (void)snprintf(cell, TOP_CELL, "-");
    else if (usec == RATES_BEYOND)
        (void)snprintf(cell, TOP_CELL, ">%" PRIu64 "s",
                       histogram_bounds[HISTOGRAM_BOUNDS - 1] / USEC_PER_SEC);
    else if (usec < USEC_PER_MSEC)
        (void)snprintf(cell, TOP_CELL, "%s0.%" PRIu64 "ms", at_most, usec / 100);
    else if (usec < USEC_PER_SEC)
        (void)snprintf(cell, TOP_CELL, "%s%" PRIu64 "ms", at_most, usec / USEC_PER_MSEC);
    else
        (void)snprintf(cell, TOP_CELL, "%s%" PRIu64 "s", at_most, usec / USEC_PER_SEC);
}

// ---- Columns ----------------------------------------------------------------------------------

// How a cell is filled from what is at the column's offset.
enum kind { SERVICE, LISTENER, NUMBER, RATE, SHARE, BOUND, QUEUE, NOTE };

struct source {
    enum kind kind;
    size_t offset;
};

struct panel {
    struct top_column columns[TOP_COLUMNS_MAX];
    struct source sources[TOP_COLUMNS_MAX];
};

#define OF(kind, member)                     \
    {                                        \
        kind, offsetof(struct rates, member) \
    }

static const struct panel panels[TOP_PANELS] = {
    [TOP_TRAFFIC] =
        {
            .columns = {{"SERVICE", true, 0, 0},
                        {"LISTENER", true, 2, LISTENER_MAX},
                        {"BUSY", false, 0, 0},
                        {"MAX", false, 1, 0},
                        {"BUSY%", false, 6, 0},
                        {"RATE", false, 1, 0},
                        {"IN/s", false, 8, 0},
                        {"OUT/s", false, 7, 0},
                        {"QUEUE", false, 1, 0},
                        {"50%", false, 9, 0},
                        {"99%", false, 4, 0},
                        {"WAIT 99%", false, 3, 0},
                        {"FAILED/s", false, 5, 0},
                        {"REFUSED/s", false, 10, 0}},
            .sources = {OF(SERVICE, pool), OF(LISTENER, pool), OF(NUMBER, n_busy), OF(NUMBER, max),
                        OF(SHARE, busy), OF(RATE, sessions), OF(RATE, received), OF(RATE, sent),
                        OF(QUEUE, queue), OF(BOUND, duration_50), OF(BOUND, duration_99),
                        OF(BOUND, wait_99), OF(RATE, failed), OF(RATE, refused)},
        },
    [TOP_WORKERS] =
        {
            .columns = {{"SERVICE", true, 0, 0},
                        {"LISTENER", true, 2, LISTENER_MAX},
                        {"WORKERS", false, 6, 0},
                        {"BUSY", false, 0, 0},
                        {"IDLE", false, 0, 0},
                        {"PARKED", false, 7, 0},
                        {"STARTING", false, 5, 0},
                        {"DRAINING", false, 3, 0},
                        {"MIN", false, 9, 0},
                        {"SPARE", false, 10, 0},
                        {"MAX", false, 1, 0},
                        {"FULL", false, 4, 0},
                        {"STARTS", false, 11, 0},
                        {"DEATHS", false, 8, 0},
                        {"NOTE", true, 12, 0}},
            .sources = {OF(SERVICE, pool), OF(LISTENER, pool), OF(NUMBER, n_workers),
                        OF(NUMBER, n_busy), OF(NUMBER, n_idle), OF(NUMBER, n_parked),
                        OF(NUMBER, n_starting), OF(NUMBER, n_draining), OF(NUMBER, min),
                        OF(NUMBER, spare), OF(NUMBER, max), OF(SHARE, full), OF(NUMBER, starts),
                        OF(NUMBER, deaths), OF(NOTE, pool)},
        },
};

static void put_queue(char *cell, const struct rates *rates)
{
    if (rates->pool)
        (void)snprintf(cell, TOP_CELL, "%" PRIu64 "/%" PRIu64, rates->queue,
                       rates->pool->queue_limit);
    else
        put_number(cell, rates->queue);
}

static void fill(char *cell, const struct source *source, const struct rates *rates)
{
    const void *place = (const char *)rates + source->offset;
    const struct counters_pool *pool = rates->pool;

    if (source->kind == SERVICE)
        escape_copy(pool ? pool->service : "total", cell, TOP_CELL);
    else if (source->kind == LISTENER)
        escape_copy(pool ? pool->listener : "", cell, TOP_CELL);
    else if (source->kind == NUMBER)
        put_number(cell, *(const uint64_t *)place);
    else if (source->kind == RATE)
        top_put_rate(cell, *(const double *)place);
    else if (source->kind == QUEUE)
        put_queue(cell, rates);
    else if (source->kind == NOTE)
        (void)snprintf(cell, TOP_CELL, "%s", pool && pool->is_throttled ? "throttled" : "");
    else if (source->kind == BOUND && pool)
        put_bound(cell, *(const uint64_t *)place);
    else if (source->kind == SHARE && pool && pool->accepts_itself)
        (void)snprintf(cell, TOP_CELL, "-");
    else if (source->kind == SHARE && (pool || source->offset == offsetof(struct rates, busy)))
        put_share(cell, *(const double *)place);
}

static enum top_style style_of(const struct rates *rates)
{
    if (!rates->pool)
        return TOP_PLAIN;
    if (rates->max > 0 && rates->n_busy >= rates->max && !rates->pool->accepts_itself)
        return TOP_ALARM;
    return rates->queue > 0 || rates->pool->is_throttled ? TOP_WARNING : TOP_PLAIN;
}

static void add_row(struct top_grid *grid, const struct panel *panel, const struct rates *rates)
{
    top_cells *cells = top_grid_add(grid, style_of(rates));

    for (size_t i = 0; i < grid->n_columns; i++)
        fill((*cells)[i], &panel->sources[i], rates);
}

void top_table_make(struct top_lines *lines, const struct rates_view *view, enum top_panel panel,
                    int width)
{
    const struct panel *its = &panels[panel];
    struct top_grid grid;
    size_t n = 0;

    while (n < TOP_COLUMNS_MAX && its->columns[n].name)
        n++;
    top_grid_init(&grid, its->columns, n, view->n + 1);
    for (size_t i = 0; i < view->n; i++)
        add_row(&grid, its, &view->rates[i]);
    if (view->n > 1)
        add_row(&grid, its, &view->sum);
    top_grid_make(&grid, lines, width);
    top_grid_done(&grid);
}

// ---- Summary ----------------------------------------------------------------------------------

void top_summary_make(struct top_lines *lines, const struct counters_daemon *daemon,
                      const struct rates *sum, uint64_t now_usec)
{
    uint64_t up_usec = now_usec > daemon->started_usec ? now_usec - daemon->started_usec : 0;
    time_t now = (time_t)(now_usec / USEC_PER_SEC);
    char up[FIGURE_MAX], rate[TOP_CELL], clock[16] = "";
    struct tm local;

    if (localtime_r(&now, &local))
        (void)strftime(clock, sizeof(clock), " | %H:%M:%S", &local);
    top_put_rate(rate, sum->sessions);
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
