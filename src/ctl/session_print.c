// SPDX-License-Identifier: MIT
#include "ctl/session_print.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "base/address.h"
#include "base/base.h"
#include "ctl/table.h"
#include "view/figures.h"
#include "view/json.h"
#include "view/sessions_json.h"

#define CELL TABLE_CELL

enum column {
    ID,
    SERVICE,
    LISTENER,
    CLIENT,
    SINCE,
    AGE,
    DOING,
    IN,
    OUT,
    RTT, // from here on the kernel's
    RETR,
    RECV_Q,
    SEND_Q,
    COLUMNS
};

static const struct table_column columns[COLUMNS] = {
    [ID] = {"ID", false},
    [SERVICE] = {"SERVICE", false},
    [LISTENER] = {"LISTENER", false},
    [CLIENT] = {"CLIENT", false},
    [SINCE] = {"SINCE", false},
    [AGE] = {"AGE", true},
    [DOING] = {"DOING", false},
    [IN] = {"IN", true},
    [OUT] = {"OUT", true},
    [RTT] = {"RTT", true},
    [RETR] = {"RETR", true},
    [RECV_Q] = {"RECV-Q", true},
    [SEND_Q] = {"SEND-Q", true},
};

struct cells {
    char text[COLUMNS][CELL];
};

static void set(struct cells *cells, enum column column, const char *text)
{
    (void)snprintf(cells->text[column], CELL, "%s", text);
}

static void set_since(struct cells *cells, uint64_t since_usec)
{
    time_t sec = (time_t)(since_usec / USEC_PER_SEC);
    struct tm local;

    if (!localtime_r(&sec, &local) ||
        strftime(cells->text[SINCE], CELL, "%Y-%m-%d %H:%M:%S", &local) == 0)
        set(cells, SINCE, "-");
}

static void fill_socket(struct cells *cells, const struct diag_socket *socket)
{
    char(*text)[CELL] = cells->text;

    for (int i = RTT; i < COLUMNS; i++)
        set(cells, (enum column)i, "-");
    if (!socket)
        return;
    if (socket->has_info) {
        (void)figure_latency(socket->rtt_usec, text[RTT], CELL);
        (void)snprintf(text[RETR], CELL, "%" PRIu32, socket->resent);
    }
    (void)figure_bytes(socket->recv_q, text[RECV_Q], CELL);
    (void)figure_bytes(socket->send_q, text[SEND_Q], CELL);
}

// What a program has moved past its worker only the kernel knows.
static void fill_row(struct cells *cells, const struct session_view *view,
                     const struct session_row *row)
{
    const struct diag_socket *socket = view->has_kernel ? kernel_find(&view->kernel, row) : NULL;
    bool is_past = socket && socket->has_info && row->received + row->sent == 0;
    char(*text)[CELL] = cells->text;

    (void)session_id_format(row->pid, row->number, text[ID], CELL);
    set(cells, SERVICE, row->service);
    set(cells, LISTENER, row->listener);
    (void)snprintf(text[CLIENT], CELL, "%s%s%s", row->peer[0] ? row->peer : "-",
                   row->through[0] ? " through " : "", row->through);
    set_since(cells, row->since_usec);
    (void)figure_age(row->age_usec, text[AGE], CELL);
    set(cells, DOING, row->doing);
    (void)figure_bytes(is_past ? socket->received : row->received, text[IN], CELL);
    (void)figure_bytes(is_past ? socket->acknowledged : row->sent, text[OUT], CELL);
    fill_socket(cells, socket);
}

static void fill_waiting(struct cells *cells, const struct kernel_waiting *waiting)
{
    static const enum column unknown[] = {ID, SINCE, IN, OUT};

    for (size_t i = 0; i < ELEMENTS(unknown); i++)
        set(cells, unknown[i], "-");
    set(cells, SERVICE, waiting->service);
    set(cells, LISTENER, waiting->listener);
    (void)kernel_format_end(&waiting->socket->remote, cells->text[CLIENT], CELL);
    (void)figure_age(waiting->socket->waiting_ms * USEC_PER_MSEC, cells->text[AGE], CELL);
    set(cells, DOING, "waiting");
    fill_socket(cells, waiting->socket);
}

// The sessions, then those who wait.
static void fill(struct cells *cells, const struct session_view *view, size_t i)
{
    if (i < view->n)
        fill_row(cells, view, &view->sessions.rows[i]);
    else
        fill_waiting(cells, &view->kernel.waiting[i - view->n]);
}

void session_print_table(FILE *stream, const struct session_view *view)
{
    size_t n = view->n + view->kernel.n_waiting;
    struct table table;
    struct cells cells;

    table_open(&table, columns, view->has_kernel ? COLUMNS : RTT);
    for (size_t i = 0; i < n; i++) {
        fill(&cells, view, i);
        table_measure(&table, cells.text);
    }
    table_print_names(&table, stream);
    for (size_t i = 0; i < n; i++) {
        fill(&cells, view, i);
        table_print(&table, stream, cells.text);
    }
    if (view->n < view->sessions.n)
        (void)fprintf(stream, "%zu of ", view->n);
    (void)fprintf(stream, "%zu session%s", view->sessions.n, PLURAL(view->sessions.n));
    if (view->has_waiting)
        (void)fprintf(stream, ", %zu client%s", view->kernel.n_waiting,
                      view->kernel.n_waiting == 1 ? " waits" : "s wait");
    (void)fputc('\n', stream);
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

static void print_kernel(FILE *stream, const struct diag_socket *socket)
{
    if (!socket) {
        (void)fputs(",\"kernel\":null", stream);
        return;
    }
    (void)fprintf(stream, ",\"kernel\":{\"recv_q\":%" PRIu32, socket->recv_q);
    print_number(stream, "send_q", socket->send_q);
    if (socket->has_info) {
        print_number(stream, "unsent", socket->unsent);
        print_number(stream, "rtt_usec", socket->rtt_usec);
        print_number(stream, "retransmits", socket->resent);
        print_number(stream, "quiet_usec", socket->quiet_ms * USEC_PER_MSEC);
        print_number(stream, "bytes_received", socket->received);
        print_number(stream, "bytes_acknowledged", socket->acknowledged);
    }
    (void)fputc('}', stream);
}

static void print_waiting(FILE *stream, const struct kernel_waiting *waiting)
{
    char peer[ADDRESS_TEXT_MAX];

    (void)fputs("{\"service\":", stream);
    json_print_string(stream, waiting->service);
    print_text(stream, "listener", waiting->listener);
    print_text(stream, "peer", kernel_format_end(&waiting->socket->remote, peer, sizeof(peer)));
    print_number(stream, "waiting_usec", waiting->socket->waiting_ms * USEC_PER_MSEC);
    print_kernel(stream, waiting->socket);
    (void)fputc('}', stream);
}

static void print_session(FILE *stream, const struct session_view *view,
                          const struct session_row *row)
{
    sessions_json_begin(stream, row);
    if (view->has_kernel)
        print_kernel(stream, kernel_find(&view->kernel, row));
    (void)fputc('}', stream);
}

void session_print_json(FILE *stream, const struct session_view *view)
{
    (void)fputs("{\"schema\":1,\"sessions\":[", stream);
    for (size_t i = 0; i < view->n; i++) {
        if (i > 0)
            (void)fputc(',', stream);
        print_session(stream, view, &view->sessions.rows[i]);
    }
    for (size_t i = 0; i < view->kernel.n_waiting; i++) {
        (void)fputs(i == 0 ? "],\"waiting\":[" : ",", stream);
        print_waiting(stream, &view->kernel.waiting[i]);
    }
    if (view->has_waiting && view->kernel.n_waiting == 0)
        (void)fputs("],\"waiting\":[", stream);
    (void)fputs("]}\n", stream);
}
