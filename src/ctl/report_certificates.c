// SPDX-License-Identifier: MIT
#include "ctl/report_certificates.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/base.h"
#include "view/fields.h"

#define COLUMNS  5
#define CELL     128
#define HOUR_SEC INT64_C(3600)
#define DAY_SEC  (24 * HOUR_SEC)

struct certificate {
    const char *certificate, *names, *keys;
    uint64_t until; // microseconds since 1970
};

// The last column is as long as it is.
struct row {
    char cells[COLUMNS - 1][CELL];
    const char *last;
};

static const struct field fields[] = {TEXT(certificate, certificate), TEXT(certificate, names),
                                      TEXT(certificate, keys), NUMBER(certificate, until)};

static void spell_left(char *cell, int64_t sec)
{
    if (sec < 0)
        (void)snprintf(cell, CELL, "expired");
    else if (sec < DAY_SEC)
        (void)snprintf(cell, CELL, "%" PRId64 " h", sec / HOUR_SEC);
    else
        (void)snprintf(cell, CELL, "%" PRId64 " day%s", sec / DAY_SEC, PLURAL(sec / DAY_SEC));
}

static void fill_row(struct row *row, const struct certificate *certificate)
{
    time_t until = (time_t)(certificate->until / USEC_PER_SEC);
    struct tm tm;

    (void)snprintf(row->cells[0], CELL, "%s", certificate->certificate);
    (void)snprintf(row->cells[1], CELL, "%s", certificate->keys);
    if (!gmtime_r(&until, &tm) || strftime(row->cells[2], CELL, "%Y-%m-%d %H:%M UTC", &tm) == 0)
        row->cells[2][0] = '\0';
    spell_left(row->cells[3], (int64_t)until - (int64_t)time(NULL));
    row->last = certificate->names;
}

static void print_rows(FILE *stream, const struct row *rows, size_t n)
{
    size_t widths[COLUMNS - 1] = {0};

    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < COLUMNS - 1; k++)
            if (strlen(rows[i].cells[k]) > widths[k])
                widths[k] = strlen(rows[i].cells[k]);
    (void)fputc('\n', stream);
    for (size_t i = 0; i < n; i++) {
        for (int k = 0; k < COLUMNS - 1; k++)
            (void)fprintf(stream, "%-*s  ", (int)widths[k], rows[i].cells[k]);
        (void)fprintf(stream, "%s\n", rows[i].last);
    }
}

int report_certificates(FILE *stream, sd_bus_message *reply)
{
    static const struct certificate none = {.certificate = "", .names = "", .keys = ""};
    static const struct row head = {.cells = {"CERTIFICATE", "KEY", "NOT AFTER", "LEFT"},
                                    .last = "NAMES"};
    struct field_list list = {
        .size = sizeof(none), .initial = &none, .fields = fields, .n_fields = ELEMENTS(fields)};
    int r = fields_read_list(reply, &list);
    cleanup_free struct row *rows = base_checked(calloc(list.n + 1, sizeof(rows[0])));

    rows[0] = head;
    for (size_t i = 0; i < list.n; i++)
        fill_row(&rows[i + 1], &((const struct certificate *)(const void *)list.items)[i]);
    if (r >= 0 && list.n > 0)
        print_rows(stream, rows, list.n + 1);
    free(list.items);
    return r;
}
