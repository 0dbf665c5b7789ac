// SPDX-License-Identifier: MIT
#include "ctl/session_print.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "base/base.h"
#include "ctl/json.h"
#include "view/figures.h"

#define CELL 512

enum column { ID, SERVICE, LISTENER, CLIENT, SINCE, AGE, DOING, IN, OUT, COLUMNS };

static const struct {
    const char *name;
    bool is_number; // on the right of its column
} columns[COLUMNS] = {
    [ID] = {"ID", false},
    [SERVICE] = {"SERVICE", false},
    [LISTENER] = {"LISTENER", false},
    [CLIENT] = {"CLIENT", false},
    [SINCE] = {"SINCE", false},
    [AGE] = {"AGE", true},
    [DOING] = {"DOING", false},
    [IN] = {"IN", true},
    [OUT] = {"OUT", true},
};

struct cells {
    char text[COLUMNS][CELL];
};

// Characters, of UTF-8.
static int width(const char *text)
{
    int n = 0;

    for (; *text != '\0'; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static void set(struct cells *cells, enum column column, const char *text)
{
    (void)snprintf(cells->text[column], CELL, "%s", text);
}

static void fill_header(struct cells *cells)
{
    for (int i = 0; i < COLUMNS; i++)
        set(cells, (enum column)i, columns[i].name);
}

static void set_since(struct cells *cells, uint64_t since_usec)
{
    time_t sec = (time_t)(since_usec / USEC_PER_SEC);
    struct tm local;

    if (!localtime_r(&sec, &local) ||
        strftime(cells->text[SINCE], CELL, "%Y-%m-%d %H:%M:%S", &local) == 0)
        set(cells, SINCE, "-");
}

static void fill_row(struct cells *cells, const struct session_row *row)
{
    char(*text)[CELL] = cells->text;

    (void)session_id_format(row->pid, row->number, text[ID], CELL);
    set(cells, SERVICE, row->service);
    set(cells, LISTENER, row->listener);
    (void)snprintf(text[CLIENT], CELL, "%s%s%s", row->peer[0] ? row->peer : "-",
                   row->through[0] ? " through " : "", row->through);
    set_since(cells, row->since_usec);
    (void)figure_age(row->age_usec, text[AGE], CELL);
    set(cells, DOING, row->doing);
    (void)figure_bytes(row->received, text[IN], CELL);
    (void)figure_bytes(row->sent, text[OUT], CELL);
}

static void note_widths(const struct cells *cells, int widths[COLUMNS])
{
    for (int i = 0; i < COLUMNS; i++)
        if (width(cells->text[i]) > widths[i])
            widths[i] = width(cells->text[i]);
}

static void print_cells(FILE *stream, const struct cells *cells, const int widths[COLUMNS])
{
    for (int i = 0; i < COLUMNS; i++) {
        int pad = widths[i] - width(cells->text[i]);
        int before = columns[i].is_number ? pad : 0, behind = columns[i].is_number ? 0 : pad;

        if (i == COLUMNS - 1)
            behind = 0;
        (void)fprintf(stream, "%s%*s%s%*s", i > 0 ? "  " : "", before, "", cells->text[i], behind,
                      "");
    }
    (void)fputc('\n', stream);
}

void session_print_table(FILE *stream, const struct session_view *view)
{
    const struct session_row *rows = view->sessions.rows;
    int widths[COLUMNS] = {0};
    struct cells cells;

    fill_header(&cells);
    note_widths(&cells, widths);
    for (size_t i = 0; i < view->n; i++) {
        fill_row(&cells, &rows[i]);
        note_widths(&cells, widths);
    }
    fill_header(&cells);
    print_cells(stream, &cells, widths);
    for (size_t i = 0; i < view->n; i++) {
        fill_row(&cells, &rows[i]);
        print_cells(stream, &cells, widths);
    }
    if (view->n < view->sessions.n)
        (void)fprintf(stream, "%zu of ", view->n);
    (void)fprintf(stream, "%zu session%s\n", view->sessions.n, PLURAL(view->sessions.n));
}

static void print_text(FILE *stream, const char *name, const char *text)
{
    (void)fprintf(stream, ",\"%s\":", name);
    json_print_string(stream, text);
}

static void print_number(FILE *stream, const char *name, uint64_t number)
{
    (void)fprintf(stream, ",\"%s\":%" PRIu64, name, number);
}

static void print_session(FILE *stream, const struct session_row *row)
{
    char id[SESSION_ID_MAX];

    (void)fputs("{\"id\":", stream);
    if (row->number > 0)
        json_print_string(stream, session_id_format(row->pid, row->number, id, sizeof(id)));
    else
        (void)fputs("null", stream);
    print_number(stream, "pid", row->pid);
    print_text(stream, "service", row->service);
    print_text(stream, "listener", row->listener);
    print_text(stream, "peer", row->peer);
    print_text(stream, "through", row->through);
    print_number(stream, "since", row->since_usec);
    print_number(stream, "age_usec", row->age_usec);
    print_text(stream, "doing", row->doing);
    (void)fprintf(stream, ",\"peer_ended\":%s", row->peer_ended ? "true" : "false");
    print_number(stream, "bytes_in", row->received);
    print_number(stream, "bytes_out", row->sent);
    print_number(stream, "turns", row->turns);
    (void)fputc('}', stream);
}

void session_print_json(FILE *stream, const struct session_view *view)
{
    (void)fputs("{\"schema\":1,\"sessions\":[", stream);
    for (size_t i = 0; i < view->n; i++) {
        if (i > 0)
            (void)fputc(',', stream);
        print_session(stream, &view->sessions.rows[i]);
    }
    (void)fputs("]}\n", stream);
}
