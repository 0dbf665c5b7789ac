// SPDX-License-Identifier: MIT
// Counted by second. A worker alone has the state, so code in it could reset that: it bounds what
// is written by mistake, while what is hostile finds the journal's socket by itself.

#include "session/session_lines.h"

#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "base/base.h"
#include "session/session_log.h"

// How many lines were logged in this second, and how many were not.
static struct {
    uint64_t begin_usec;
    unsigned n, n_left_out;
} lines;

void session_lines_tell(const struct tcpd_session *session, const struct service *service,
                        const struct config *config)
{
    char text[64];

    if (lines.n_left_out == 0)
        return;
    (void)snprintf(text, sizeof(text), "%u line%s left out", lines.n_left_out,
                   PLURAL(lines.n_left_out));
    lines.n_left_out = 0;
    session_log_line(session, service, config, LOG_WARNING, text, strlen(text));
}

void session_lines_log(const struct tcpd_session *session, const struct service *service,
                       const struct config *config, int priority, const char *line, size_t length)
{
    uint64_t now = base_now_usec();

    if (now - lines.begin_usec >= USEC_PER_SEC) {
        session_lines_tell(session, service, config);
        lines.begin_usec = now;
        lines.n = 0;
    }
    if (lines.n == SESSION_LINES) {
        lines.n_left_out++;
        return;
    }
    lines.n++;
    session_log_line(session, service, config, priority, line, length);
}
