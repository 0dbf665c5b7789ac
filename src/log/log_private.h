// SPDX-License-Identifier: MIT
// What the log's files have in common: where records go, and how one is put into bytes.
#pragma once

#include <stdarg.h>
#include <stdint.h>

#include "log/log.h"

#define LOG_OWN            "tcpd"
#define LOG_TEXT_MAX       1024
#define LOG_IDENTIFIER_MAX 80 // "tcpd/" and a service's name

// The log target: the one state of the process that is not the master's or a worker's.
struct log_target {
    bool is_journal; // else text on standard error
    bool verbose, levels;
    unsigned n_dropped;
    uint64_t dropping_until_usec;
};

extern struct log_target log_target;

// A record, before it is bytes.
struct log_message {
    const char *identifier;
    int priority;
    enum log_event event;
    const struct log_field *fields;
    size_t n_fields;
    const char *text;
    const struct log_lines *lines; // behind the text, NULL: none
};

// Bytes that fill up; those that are full are cut.
struct log_room {
    char *bytes;
    size_t used, limit;
};

// A message's text; one that is too long is cut.
void log_format(char text[LOG_TEXT_MAX], const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));
// Appends it as the journal takes it.
void log_add_entry(struct log_room *room, const struct log_message *message);
// The same of a part of one, which stays one line, and of bytes as they are.
void log_add_part(struct log_room *room, const char *text, size_t length);
void log_add_bytes(struct log_room *room, const void *bytes, size_t size);
// Writes it now or never: what finds no way out is counted. False: it was dropped.
bool log_write_or_drop(const struct log_message *message);
