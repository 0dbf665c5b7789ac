// SPDX-License-Identifier: MIT
// Lines of sessions on their way to the log: log_sessions_form = lines. A batch is one record of up
// to RECENT_MAX lines; it leaves when it is full, when its oldest line is a second old, and before
// the worker is idle for long or exits. A worker's own. Nobody waits for it between two sessions.
#pragma once

#include "board/log_quota.h"
#include "board/recent.h"
#include "config/config.h"
#include "view/session_line.h"

// Whose lines they are.
struct batch_source {
    const char *name; // "echo *:7007"
    const struct service *service;
    struct log_quota *quota; // counts those that are lost
    struct recent *recent;   // is told up to which one they have left
};

// Before the first session, of a worker whose sessions have lines. What it points to must stay.
void session_batch_open(const struct batch_source *source);

// Adds the session's line, with this worker's number; its record is the last one in source->recent.
void session_batch_add(struct session_line *line, int priority);

// Whether the log keeps lines that can stay there, as the timer will have them written.
bool session_batch_waits(void);

// Hands the batch over to the log, to be kept: if it is due, or come what may. After the log has
// written what it keeps, or has dropped it: session_batch_note().
void session_batch_close(bool at_once);
void session_batch_note(void);

// Whether the worker waits for a client. Then a timer's signal has the lines written that are due:
// it interrupts nothing but that wait, which goes on after it.
void session_batch_idle(bool is_idle);
// Whether that signal is to come: it may interrupt what blocks then.
bool session_batch_ticks(void);
