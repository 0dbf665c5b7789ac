// SPDX-License-Identifier: MIT
#include "view/sessions_json.h"

#include <inttypes.h>

#include "base/base.h"
#include "view/json.h"

void sessions_json_begin(FILE *stream, const struct session_row *row)
{
    const struct {
        const char *name, *value;
    } texts[] = {{"service", row->service},
                 {"listener", row->listener},
                 {"peer", row->peer},
                 {"through", row->through},
                 {"doing", row->doing}};
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {{"pid", row->pid},           {"since", row->since_usec},
                   {"age_usec", row->age_usec}, {"bytes_in", row->received},
                   {"bytes_out", row->sent},    {"turns", row->turns}};
    char id[SESSION_ID_MAX];

    (void)fputs("{\"id\":", stream);
    if (row->number > 0)
        json_print_string(stream, session_id_format(row->pid, row->number, id, sizeof(id)));
    else
        (void)fputs("null", stream);
    for (size_t i = 0; i < ELEMENTS(texts); i++) {
        (void)fprintf(stream, ",\"%s\":", texts[i].name);
        json_print_string(stream, texts[i].value);
    }
    for (size_t i = 0; i < ELEMENTS(numbers); i++)
        (void)fprintf(stream, ",\"%s\":%" PRIu64, numbers[i].name, numbers[i].value);
    (void)fprintf(stream, ",\"peer_ended\":%s", row->peer_ended ? "true" : "false");
}

void sessions_json_print(FILE *stream, const struct sessions *sessions, size_t n)
{
    (void)fputs("{\"schema\":1,\"sessions\":[", stream);
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            (void)fputc(',', stream);
        sessions_json_begin(stream, &sessions->rows[i]);
        (void)fputc('}', stream);
    }
    (void)fputs("]}\n", stream);
}
