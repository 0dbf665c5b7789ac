// SPDX-License-Identifier: MIT
#include "ctl/recent.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "base/base.h"
#include "ctl/fail.h"
#include "ctl/link.h"
#include "ctl/table.h"
#include "view/figures.h"
#include "view/json.h"
#include "view/recents.h"

#define PAGE 256 // rows of an answer

enum column { END, ID, SERVICE, LISTENER, CLIENT, TIME, WAIT, REPLY, IN, OUT, RESULT, COLUMNS };

static const struct table_column columns[COLUMNS] = {
    [END] = {"END", false},
    [ID] = {"ID", false},
    [SERVICE] = {"SERVICE", false},
    [LISTENER] = {"LISTENER", false},
    [CLIENT] = {"CLIENT", false},
    [TIME] = {"TIME", true},
    [WAIT] = {"WAIT", true},
    [REPLY] = {"REPLY", true},
    [IN] = {"IN", true},
    [OUT] = {"OUT", true},
    [RESULT] = {"RESULT", false},
};

static int ask_page(sd_bus *bus, const struct options *options, struct recents *recents,
                    uint64_t *next)
{
    sd_bus_message *call = NULL, *reply = NULL;
    int status = EX_OK, r = link_new(bus, "ListRecent", &call);

    if (r >= 0)
        r = sd_bus_message_append(call, "stu", options->service, *next, (uint32_t)PAGE);
    if (r >= 0)
        status = link_send(bus, call, options->timeout_usec, &reply);
    (void)sd_bus_message_unref(call);
    if (r >= 0 && status == EX_OK)
        r = recents_read(reply, recents, next);
    (void)sd_bus_message_unref(reply);
    return r < 0 ? fail(EXIT_FAILURE, "cannot read the sessions: %s", strerror(-r)) : status;
}

// With milliseconds, as many end in one second.
static void format_end(uint64_t usec, char *text, size_t size)
{
    time_t sec = (time_t)(usec / USEC_PER_SEC);
    struct tm local;
    size_t n = localtime_r(&sec, &local) ? strftime(text, size, "%Y-%m-%d %H:%M:%S", &local) : 0;

    (void)snprintf(text + n, size - n, ".%03" PRIu64, usec % USEC_PER_SEC / USEC_PER_MSEC);
}

static void format_latency(uint64_t usec, char *text, size_t size)
{
    if (usec == RECENTS_UNKNOWN)
        (void)snprintf(text, size, "-");
    else
        (void)figure_latency(usec, text, size);
}

static void fill(char (*cells)[TABLE_CELL], const struct recent_row *row)
{
    format_end(row->end_usec, cells[END], TABLE_CELL);
    (void)snprintf(cells[ID], TABLE_CELL, "%" PRIu32 ".%" PRIu64, row->pid, row->number);
    (void)snprintf(cells[SERVICE], TABLE_CELL, "%s", row->service);
    (void)snprintf(cells[LISTENER], TABLE_CELL, "%s", row->listener);
    (void)snprintf(cells[CLIENT], TABLE_CELL, "%s", row->peer[0] ? row->peer : "-");
    format_latency(row->duration_usec, cells[TIME], TABLE_CELL);
    format_latency(row->wait_usec, cells[WAIT], TABLE_CELL);
    format_latency(row->reply_usec, cells[REPLY], TABLE_CELL);
    (void)figure_bytes(row->received, cells[IN], TABLE_CELL);
    (void)figure_bytes(row->sent, cells[OUT], TABLE_CELL);
    (void)snprintf(cells[RESULT], TABLE_CELL, "%s", row->result);
}

static void print_table(const struct recents *recents, size_t n)
{
    char cells[COLUMNS][TABLE_CELL];
    struct table table;

    table_open(&table, columns, COLUMNS);
    for (size_t i = 0; i < n; i++) {
        fill(cells, &recents->rows[i]);
        table_measure(&table, cells);
    }
    table_print_names(&table, stdout);
    for (size_t i = 0; i < n; i++) {
        fill(cells, &recents->rows[i]);
        table_print(&table, stdout, cells);
    }
    if (n < recents->n)
        (void)printf("%zu of ", n);
    (void)printf("%zu session%s\n", recents->n, PLURAL(recents->n));
}

static void print_text(const char *name, const char *text)
{
    (void)printf(",\"%s\":", name);
    json_print_string(stdout, text);
}

static void print_span(const char *name, uint64_t usec)
{
    if (usec == RECENTS_UNKNOWN)
        (void)printf(",\"%s\":null", name);
    else
        (void)printf(",\"%s\":%" PRIu64, name, usec);
}

static void print_json(const struct recents *recents, size_t n)
{
    (void)fputs("{\"schema\":1,\"recent\":[", stdout);
    for (size_t i = 0; i < n; i++) {
        const struct recent_row *row = &recents->rows[i];

        (void)printf("%s{\"id\":\"%" PRIu32 ".%" PRIu64 "\",\"pid\":%" PRIu32, i > 0 ? "," : "",
                     row->pid, row->number, row->pid);
        print_text("service", row->service);
        print_text("listener", row->listener);
        print_text("peer", row->peer);
        (void)printf(",\"end\":%" PRIu64 ",\"duration_usec\":%" PRIu64, row->end_usec,
                     row->duration_usec);
        print_span("wait_usec", row->wait_usec);
        print_span("reply_usec", row->reply_usec);
        (void)printf(",\"bytes_in\":%" PRIu64 ",\"bytes_out\":%" PRIu64, row->received, row->sent);
        print_text("result", row->result);
        (void)fputc('}', stdout);
    }
    (void)fputs("]}\n", stdout);
}

int recent_run(sd_bus *bus, const struct options *options)
{
    uint64_t next = 0, limit = options->sessions.limit;
    struct recents recents = {0};
    int status;
    size_t n;

    do
        status = ask_page(bus, options, &recents, &next);
    while (status == EX_OK && next != 0);
    recents_sort(&recents);
    n = limit > 0 && recents.n > limit ? (size_t)limit : recents.n;
    if (status == EX_OK && options->json)
        print_json(&recents, n);
    else if (status == EX_OK)
        print_table(&recents, n);
    recents_done(&recents);
    return status;
}
