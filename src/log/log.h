// SPDX-License-Identifier: MIT
// The log: structured records under the journal (JOURNAL_STREAM), one line of text on standard
// error elsewhere. Texts and fields hold what tcpd knows; a peer's bytes go through escape.h before
// they come here. A journal or a reader that stalls delays a record by 20 ms at most; then records
// are dropped for a second and counted, as are those that find no way out for another reason.
// Records of sessions do not even wait for that: they are kept until there is room. Not for signal
// handlers, but for the one that says so.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <syslog.h>

// Events that have a MESSAGE_ID, for `journalctl MESSAGE_ID=...` and the catalogue.
enum log_event {
    EVENT_NONE,
    EVENT_STARTED,
    EVENT_READY,
    EVENT_RELOADED,
    EVENT_RELOAD_FAILED,
    EVENT_WORKER_DIED,
    EVENT_MODULE_DIED, // a worker that had one
    EVENT_WORKER_KILLED,
    EVENT_POOL_FULL,
    EVENT_DATAGRAMS_DROPPED,
    EVENT_THROTTLED,
    EVENT_SOURCE_CRASHES,
    EVENT_OWN_REFUSED, // a signal or a call of a descendant of ours
    EVENT_CERTIFICATE_EXPIRES,
    EVENT_NODE_ORDER, // what load balancers are to be told of services
    EVENT_STOPPED,
    EVENT_SESSION_OPENED,
    EVENT_SESSION_CLOSED,
    EVENT_SESSION_REFUSED,
    EVENT_SESSION_LINES, // several that have ended
    LOG_EVENTS,
};

struct log_field {
    const char *name; // an own constant, never a peer's
    char value[128];
};

#define LOG_FIELDS_MAX 32

// Sets a field. A value that is too long is cut, see escape_cut().
void log_field_set(struct log_field *field, const char *name, const char *value);
void log_field_set_number(struct log_field *field, const char *name, uint64_t value);

// Lines of one kind, which the journal has as one entry. With its first line this is less than the
// 4096 bytes from which on readers of the journal leave a field out.
struct log_lines {
    const char *head;  // the entry's first line: "echo *:7007: 38 sessions"
    const char *name;  // what stands before each line where it is text: "echo *:7007"
    const char *bytes; // the lines, each with its end
    size_t size;       // of them, LOG_LINES_MAX at most
    unsigned n;
};

#define LOG_LINES_MAX 3700

// Finds out where to log. `levels`: "<N>" before each text line, as systemd reads it.
void log_open(bool verbose, bool levels);

// In a child, which has closed what it had open for its parent's records: its own go another way,
// which is its alone.
void log_begin_child(void);

// Standard error is about to become something else: records that are text go on to where it was.
void log_leave_standard_error(void);

// Writes a record with an event and fields (NULL, 0 for none). False: it was dropped, and counted.
bool log_record(int priority, enum log_event event, const struct log_field *fields, size_t n_fields,
                const char *format, ...) __attribute__((format(printf, 5, 6)));

// Writes a line of somebody else's: a record under that identifier instead of ours. As any other it
// is dropped when it is of LOG_DEBUG and nobody wants that.
void log_foreign(const char *identifier, int priority, const struct log_field *fields,
                 size_t n_fields, const char *text);

// Writes lines as they are: one record with fields, or a line of text for each. How many found a
// way out; the others are dropped.
unsigned log_write_lines(int priority, enum log_event event, const struct log_field *fields,
                         size_t n_fields, const struct log_lines *lines);

// Whether records go to the journal, with their fields.
bool log_has_fields(void);

// --- For records that must make nobody wait; a worker's ---
// Keeps a record, to be written with the next call below. False: there are too many, it is lost.
bool log_keep(int priority, enum log_event event, const struct log_field *fields, size_t n_fields,
              const char *format, ...) __attribute__((format(printf, 5, 6)));
// Keeps lines, as log_write_lines() would write them. How many: there may be no room for the
// others.
unsigned log_keep_lines(int priority, enum log_event event, const struct log_field *fields,
                        size_t n_fields, const struct log_lines *lines);
// Lines that are kept.
unsigned log_kept_lines(void);
// Writes what is kept. Without `may_wait` it does not block, else for 20 ms at most. 0, or -errno:
// what did not get out is still kept.
int log_write_kept(bool may_wait);
// How many records and lines are kept, and forgets them.
unsigned log_drop_kept(void);

// Before a process exits whose last records must not be without their unit: waits a moment until
// the journal has taken them.
void log_settle(void);

// A line before the process ends, on standard error; async-signal-safe. It does not wait.
void log_last_words(const char *line, size_t size);

#define log_error(...)   log_record(LOG_ERR, EVENT_NONE, NULL, 0, __VA_ARGS__)
#define log_warning(...) log_record(LOG_WARNING, EVENT_NONE, NULL, 0, __VA_ARGS__)
#define log_notice(...)  log_record(LOG_NOTICE, EVENT_NONE, NULL, 0, __VA_ARGS__)
#define log_info(...)    log_record(LOG_INFO, EVENT_NONE, NULL, 0, __VA_ARGS__)
#define log_debug(...)   log_record(LOG_DEBUG, EVENT_NONE, NULL, 0, __VA_ARGS__)
