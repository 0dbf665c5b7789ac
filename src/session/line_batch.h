// SPDX-License-Identifier: MIT
// Lines of sessions as one record of the log. Pure: it writes nothing.
#pragma once

#include <stdbool.h>

#include "board/recent.h"
#include "log/log.h"
#include "view/session_line.h"

#define LINE_BATCH_MAX RECENT_MAX // lines: as many as a page can have of a worker that is killed

struct line_batch {
    const char *name;    // whose they are: "echo *:7007"
    const char *service; // "echo"
    unsigned n;
    int priority;                   // of its most urgent line
    size_t used;                    // of bytes
    uint64_t first_usec, last_usec; // when its sessions have ended, since 1970
    char bytes[LOG_LINES_MAX];
};

// What log_keep_lines() and log_write_lines() want to know.
struct line_record {
    struct log_lines lines;
    struct log_field fields[5];
    size_t n_fields; // 0 where the log has none
    char head[256];
};

// False: there is no room for it, and nothing has changed.
bool line_batch_add(struct line_batch *batch, const struct session_line *line, int priority);
// The record, which points into both.
void line_batch_record(const struct line_batch *batch, struct line_record *ret);
void line_batch_clear(struct line_batch *batch);
