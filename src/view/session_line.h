// SPDX-License-Identifier: MIT
// A session as one line of the log, which log_sessions_form = lines writes and tcpdctl log reads:
//   2026-11-25T14:03:22.118432Z 192.0.2.7:48764 ok 0.000412s 64B in 64B out wait 0.000s 48211.317
// Words stand between single spaces; a line has none of a peer's bytes. Pure.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"

#define SESSION_LINE_MAX     (3 * ADDRESS_TEXT_MAX + 256) // with its NUL
#define SESSION_LINE_UNKNOWN UINT32_MAX                   // of a wait

struct session_line {
    uint64_t end_realtime_usec; // since 1970
    const char *peer;           // "192.0.2.7:48764", "unix:", "-"
    const char *through;        // of a proxy, NULL: none
    const char *result;         // "idle timeout", in a line "idle_timeout"
    uint64_t duration_usec, received, sent;
    uint32_t wait_usec;   // in the queue
    uint64_t pid, number; // of the worker, of its session
    bool is_slow;
};

// Writes the line without an end of line; how long it is.
size_t session_line_format(const struct session_line *line, char text[SESSION_LINE_MAX]);

// Reads one, which it cuts into words: the texts of *ret are in there. 0, -EINVAL: it is none.
int session_line_parse(char *text, struct session_line *ret);
