// SPDX-License-Identifier: MIT
#include "session/line_batch.h"

#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "base/escape.h"

bool line_batch_add(struct line_batch *batch, const struct session_line *line, int priority)
{
    char text[SESSION_LINE_MAX];
    size_t length = session_line_format(line, text);

    text[length++] = '\n'; // in place of its NUL
    if (batch->n == LINE_BATCH_MAX || length > sizeof(batch->bytes) - batch->used)
        return false;
    if (batch->n == 0 || line->end_realtime_usec < batch->first_usec)
        batch->first_usec = line->end_realtime_usec;
    if (batch->n == 0 || line->end_realtime_usec > batch->last_usec)
        batch->last_usec = line->end_realtime_usec;
    if (batch->n == 0 || priority < batch->priority)
        batch->priority = priority;
    memcpy(batch->bytes + batch->used, text, length);
    batch->used += length;
    batch->n++;
    return true;
}

void line_batch_record(const struct line_batch *batch, struct line_record *ret)
{
    const char *listener = strchr(batch->name, ' ');
    char name[sizeof(ret->head) - sizeof(": 4294967295 sessions") + 1];

    ret->lines = (struct log_lines){ret->head, batch->name, batch->bytes, batch->used, batch->n};
    ret->n_fields = 0;
    if (!log_has_fields())
        return;
    escape_copy(batch->name, name, sizeof(name));
    (void)snprintf(ret->head, sizeof(ret->head), "%s: %u session%s", name, batch->n,
                   PLURAL(batch->n));
    log_field_set(&ret->fields[ret->n_fields++], "TCPD_SERVICE", batch->service);
    log_field_set(&ret->fields[ret->n_fields++], "TCPD_LISTENER", listener ? listener + 1 : "");
    log_field_set_number(&ret->fields[ret->n_fields++], "TCPD_SESSIONS", batch->n);
    log_field_set_number(&ret->fields[ret->n_fields++], "TCPD_FIRST_USEC", batch->first_usec);
    log_field_set_number(&ret->fields[ret->n_fields++], "TCPD_LAST_USEC", batch->last_usec);
}

void line_batch_clear(struct line_batch *batch)
{
    batch->n = 0;
    batch->used = 0;
}
