// SPDX-License-Identifier: MIT
// The status as a table whose columns are as wide as what they hold, or as JSON. What the daemon
// does not tell is 0 or empty, what it tells beyond is in the JSON alone, so that tcpdctl and tcpd
// may be of different versions.

#include "ctl/report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/base.h"
#include "base/timespan.h"
#include "ctl/report_certificates.h"
#include "view/fields.h"
#include "view/figures.h"

// Numbers of the protocol's types u and t; strings belong to the message.
struct daemon {
    const char *version, *state, *reload_problem;
    uint64_t pid, uptime_usec, generation, workers, idle, busy, draining;
};

struct pool {
    const char *service, *listener, *origin, *node_text;
    uint64_t min, spare, max, workers, idle, busy, draining, queue, queue_limit, sessions, refused;
    uint64_t old, resting, throttled_ms, forbidden_calls, paused_usec;
    bool paused, resized;
};

// What is asked for and not served.
struct lack {
    const char *service, *listener, *reason;
};

static const struct field daemon_fields[] = {
    TEXT(daemon, version),   TEXT(daemon, state),         TEXT(daemon, reload_problem),
    NUMBER(daemon, pid),     NUMBER(daemon, uptime_usec), NUMBER(daemon, generation),
    NUMBER(daemon, workers), NUMBER(daemon, idle),        NUMBER(daemon, busy),
    NUMBER(daemon, draining)};

static const struct field pool_fields[] = {
    TEXT(pool, service),       TEXT(pool, listener),       TEXT(pool, origin),
    TEXT(pool, node_text),     NUMBER(pool, min),          NUMBER(pool, spare),
    NUMBER(pool, max),         NUMBER(pool, workers),      NUMBER(pool, idle),
    NUMBER(pool, busy),        NUMBER(pool, draining),     NUMBER(pool, queue),
    NUMBER(pool, queue_limit), NUMBER(pool, sessions),     NUMBER(pool, old),
    NUMBER(pool, resting),     NUMBER(pool, throttled_ms), NUMBER(pool, forbidden_calls),
    NUMBER(pool, refused),     NUMBER(pool, paused_usec),  BOOLEAN(pool, paused),
    BOOLEAN(pool, resized)};

static const struct field lack_fields[] = {TEXT(lack, service), TEXT(lack, listener),
                                           TEXT(lack, reason)};

static const struct pool no_pool = {.service = "", .listener = "", .origin = "", .node_text = ""};
static const struct lack no_lack = {.service = "", .listener = "", .reason = ""};

static void print_daemon(FILE *stream, const struct daemon *daemon)
{
    char uptime[TIMESPAN_TEXT_MAX];

    (void)timespan_format(daemon->uptime_usec / USEC_PER_SEC * USEC_PER_SEC, uptime,
                          sizeof(uptime));
    (void)fprintf(stream, "tcpd %s: %s, process %" PRIu64 ", up for %s, generation %" PRIu64 "\n",
                  daemon->version, daemon->state, daemon->pid,
                  daemon->uptime_usec < USEC_PER_SEC ? "less than 1s" : uptime, daemon->generation);
    (void)fprintf(
        stream, "%" PRIu64 " worker%s: %" PRIu64 " idle, %" PRIu64 " busy, %" PRIu64 " draining\n",
        daemon->workers, PLURAL(daemon->workers), daemon->idle, daemon->busy, daemon->draining);
    if (daemon->reload_problem[0] != '\0')
        (void)fprintf(stream, "The last reload failed: %s\n", daemon->reload_problem);
}

#define CELL    512
#define COLUMNS 13
#define NOTE    2 // the column of what is no listener
#define TEXTS   3 // columns on the left, left-aligned; the last one is, too

struct row {
    char cells[COLUMNS][CELL];
    bool is_note; // what stands in the third cell goes on over the others
};

// Characters, of UTF-8.
static int width(const char *text)
{
    int n = 0;

    for (; *text != '\0'; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static void set_number(char *cell, uint64_t number)
{
    (void)snprintf(cell, CELL, "%" PRIu64, number);
}

// Adds what is not the rule.
static void note(char *cell, uint64_t number, const char *before, const char *behind)
{
    size_t used = strlen(cell);

    if (number > 0)
        (void)snprintf(cell + used, CELL - used, "%s%s%" PRIu64 "%s", used > 0 ? ", " : "", before,
                       number, behind);
}

static void note_text(char *cell, const char *text)
{
    size_t used = strlen(cell);

    if (text[0] != '\0')
        (void)snprintf(cell + used, CELL - used, "%s%s", used > 0 ? ", " : "", text);
}

static void note_orders(char *cell, const struct pool *pool)
{
    char age[FIGURE_MAX], text[FIGURE_MAX + 16];

    (void)snprintf(text, sizeof(text), "paused for %s",
                   figure_age(pool->paused_usec, age, sizeof(age)));
    note_text(cell, pool->paused ? text : "");
    note_text(cell, pool->resized ? "resized" : "");
    note_text(cell, pool->node_text);
}

static void fill_row(struct row *row, const struct pool *pool)
{
    char(*cells)[CELL] = row->cells;
    const uint64_t numbers[] = {pool->min,  pool->spare, pool->max,
                                pool->idle, pool->busy,  pool->draining};

    (void)snprintf(cells[0], CELL, "%s", pool->service);
    (void)snprintf(cells[1], CELL, "%s", pool->listener);
    (void)snprintf(cells[2], CELL, "%s", pool->origin);
    for (size_t i = 0; i < ELEMENTS(numbers); i++)
        set_number(cells[TEXTS + i], numbers[i]);
    (void)snprintf(cells[9], CELL, "%" PRIu64 "/%" PRIu64, pool->queue, pool->queue_limit);
    set_number(cells[10], pool->sessions);
    set_number(cells[11], pool->refused);
    note(cells[12], pool->old, "", " old");
    note(cells[12], pool->resting, "", " resting");
    note(cells[12], pool->throttled_ms, "throttled for ", " ms");
    note_orders(cells[12], pool);
}

static void fill_lack(struct row *row, const struct lack *lack)
{
    row->is_note = true;
    (void)snprintf(row->cells[0], CELL, "%s", lack->service);
    (void)snprintf(row->cells[1], CELL, "%s", lack->listener);
    (void)snprintf(row->cells[NOTE], CELL, "not served: %s", lack->reason);
}

static void fill_total(struct row *row, const struct pool *pools, size_t n)
{
    char(*cells)[CELL] = row->cells;
    struct pool sum = {0};

    for (size_t i = 0; i < n; i++) {
        sum.min += pools[i].min;
        sum.max += pools[i].max;
        sum.idle += pools[i].idle;
        sum.busy += pools[i].busy;
        sum.draining += pools[i].draining;
        if (strncmp(pools[i].listener, "udp:", strlen("udp:")) != 0) // those are bytes
            sum.queue += pools[i].queue;
        sum.sessions += pools[i].sessions;
        sum.refused += pools[i].refused;
    }
    (void)snprintf(cells[0], CELL, "total");
    set_number(cells[3], sum.min);
    set_number(cells[5], sum.max);
    set_number(cells[6], sum.idle);
    set_number(cells[7], sum.busy);
    set_number(cells[8], sum.draining);
    set_number(cells[9], sum.queue);
    set_number(cells[10], sum.sessions);
    set_number(cells[11], sum.refused);
}

static void print_rows(FILE *stream, const struct row *rows, size_t n)
{
    int widths[COLUMNS] = {0};

    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < COLUMNS; k++)
            if (!(rows[i].is_note && k == NOTE) && width(rows[i].cells[k]) > widths[k])
                widths[k] = width(rows[i].cells[k]);
    for (size_t i = 0; i < n; i++) {
        int last = COLUMNS - 1, gap = 0;

        while (last > 0 && rows[i].cells[last][0] == '\0')
            last--;
        for (int k = 0; k <= last; k++) {
            int pad = widths[k] - width(rows[i].cells[k]);
            bool left = k < TEXTS || k == COLUMNS - 1;

            (void)fprintf(stream, "%*s%s", gap + (left ? 0 : pad), "", rows[i].cells[k]);
            gap = 2 + (left ? pad : 0);
        }
        (void)fputc('\n', stream);
    }
}

static int print_pools(FILE *stream, const struct field_list *pools, const struct field_list *lacks)
{
    static const struct row head = {.cells = {"SERVICE", "LISTENER", "ORIGIN", "MIN", "SPARE",
                                              "MAX", "IDLE", "BUSY", "DRAINING", "QUEUE",
                                              "SESSIONS", "REFUSED"}};
    const struct pool *pool = (const void *)pools->items;
    const struct lack *lack = (const void *)lacks->items;
    cleanup_free struct row *rows = calloc(pools->n + lacks->n + 2, sizeof(struct row));
    size_t n = 0;

    if (!rows)
        return -ENOMEM;
    rows[n++] = head;
    for (size_t i = 0; i < pools->n; i++)
        fill_row(&rows[n++], &pool[i]);
    if (pools->n > 1)
        fill_total(&rows[n++], pool, pools->n);
    for (size_t i = 0; i < lacks->n; i++)
        fill_lack(&rows[n++], &lack[i]);
    (void)fputc('\n', stream);
    print_rows(stream, rows, n);
    return 0;
}

int report_table(FILE *stream, sd_bus_message *reply)
{
    struct daemon daemon = {.version = "", .state = "", .reload_problem = ""};
    struct field_list pools = {.size = sizeof(no_pool),
                               .initial = &no_pool,
                               .fields = pool_fields,
                               .n_fields = ELEMENTS(pool_fields)};
    struct field_list lacks = {.size = sizeof(no_lack),
                               .initial = &no_lack,
                               .fields = lack_fields,
                               .n_fields = ELEMENTS(lack_fields)};
    int r = fields_read(reply, daemon_fields, ELEMENTS(daemon_fields), &daemon);

    if (r >= 0)
        r = fields_read_list(reply, &pools);
    if (r >= 0)
        r = fields_read_list(reply, &lacks);
    if (r >= 0) {
        print_daemon(stream, &daemon);
        r = pools.n + lacks.n > 0 ? print_pools(stream, &pools, &lacks) : 0;
    }
    if (r >= 0)
        r = report_certificates(stream, reply);
    free(pools.items);
    free(lacks.items);
    return r;
}
