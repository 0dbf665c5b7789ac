// SPDX-License-Identifier: MIT
// Records that make nobody wait: they are kept as the bytes that are to be written, until there is
// room for them. A worker's, and one that has none never touches the memory.

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "log/journal.h"
#include "log/log_private.h"
#include "log/output.h"

#define KEPT_MAX   (16 * 1024) // bytes
#define KEPT_COUNT 64          // records

// Records that are ready to be written as they are.
static struct {
    unsigned n_records, n_lines;
    size_t used;
    struct {
        size_t end;
        unsigned n_lines; // 0: it is a record of another kind
    } records[KEPT_COUNT];
    char bytes[KEPT_MAX];
} kept;

// A pipe takes so much whole or not at all.
static size_t kept_limit(void)
{
    return log_target.is_journal ? sizeof(kept.bytes) : PIPE_BUF;
}

// "tcpd: echo *:7007: 2026-...", with its end.
static void add_line(struct log_room *room, int priority, const char *name, const char *text,
                     size_t length)
{
    const char level[] = {'<', (char)('0' + priority), '>', '\0'};

    log_add_part(room, level, log_target.levels ? strlen(level) : 0);
    log_add_part(room, LOG_OWN ": ", strlen(LOG_OWN ": "));
    log_add_part(room, name, strlen(name));
    log_add_part(room, ": ", *name ? strlen(": ") : 0);
    log_add_part(room, text, length);
    log_add_bytes(room, "\n", 1);
}

// Keeps what was put into the room behind the others. False: it was cut.
static bool keep(const struct log_room *room, unsigned n_lines)
{
    if (room->used == room->limit)
        return false;
    kept.used = room->used;
    kept.records[kept.n_records].end = kept.used;
    kept.records[kept.n_records++].n_lines = n_lines;
    kept.n_lines += n_lines;
    return true;
}

static struct log_room free_room(void)
{
    return (struct log_room){.bytes = kept.bytes, .used = kept.used, .limit = kept_limit()};
}

bool log_keep(int priority, enum log_event event, const struct log_field *fields, size_t n_fields,
              const char *format, ...)
{
    char text[LOG_TEXT_MAX];
    const struct log_message message = {LOG_OWN, priority, event, fields, n_fields, text, NULL};
    struct log_room room = free_room();
    va_list arguments;

    if (kept.n_records == KEPT_COUNT)
        return false;
    va_start(arguments, format);
    log_format(text, format, arguments);
    va_end(arguments);
    if (log_target.is_journal)
        log_add_entry(&room, &message);
    else
        add_line(&room, priority, "", text, strlen(text));
    return keep(&room, 0);
}

// The next of several lines, moving *bytes behind it; NULL: there is none.
static const char *next_line(const struct log_lines *lines, const char **bytes, size_t *ret_length)
{
    const char *line = *bytes, *end = lines->bytes + lines->size;
    const char *found = memchr(line, '\n', (size_t)(end - line));

    if (!found)
        return NULL;
    *bytes = found + 1;
    *ret_length = (size_t)(found - line);
    return line;
}

static bool keep_line(int priority, const char *name, const char *line, size_t length)
{
    struct log_room room = free_room();

    if (kept.n_records == KEPT_COUNT)
        return false;
    add_line(&room, priority, name, line, length);
    return keep(&room, 1);
}

// Text: each line is a record, as a reader may take some of them.
static unsigned keep_text(int priority, const struct log_lines *lines)
{
    const char *next = lines->bytes, *line;
    unsigned n = 0;
    size_t length;

    while ((line = next_line(lines, &next, &length))) {
        if (!keep_line(priority, lines->name, line, length)) {
            (void)log_write_kept(false); // which may have made room
            if (!keep_line(priority, lines->name, line, length))
                break;
        }
        n++;
    }
    return n;
}

unsigned log_keep_lines(int priority, enum log_event event, const struct log_field *fields,
                        size_t n_fields, const struct log_lines *lines)
{
    const struct log_message message = {LOG_OWN,  priority,    event, fields,
                                        n_fields, lines->head, lines};
    struct log_room room = free_room();

    if (!log_target.is_journal)
        return keep_text(priority, lines);
    if (kept.n_records == KEPT_COUNT)
        return 0;
    log_add_entry(&room, &message);
    return keep(&room, lines->n) ? lines->n : 0;
}

unsigned log_kept_lines(void)
{
    return kept.n_lines;
}

// In pieces that a pipe takes whole, for each of which nobody waits for long. How many got out.
static unsigned write_text_lines(int priority, const struct log_lines *lines)
{
    const char *next = lines->bytes;
    unsigned n = 0, n_done = 0;
    char bytes[PIPE_BUF];
    struct log_room room = {.bytes = bytes, .limit = sizeof(bytes)};

    for (;;) {
        size_t before = room.used, length;
        const char *line = next_line(lines, &next, &length);

        if (line)
            add_line(&room, priority, lines->name, line, length);
        if (line && room.used < room.limit) {
            n++;
            continue;
        }
        if (before == 0 || output_write(bytes, before, OUTPUT_PATIENCE_MS) < (ssize_t)before)
            return n_done;
        n_done = n;
        room.used = 0;
        if (!line)
            return n_done;
        next = line; // it had no room
    }
}

// Many workers may die while nobody reads: then one of them is waited for, and no other for a
// while.
static unsigned write_text_now(int priority, const struct log_lines *lines)
{
    unsigned n = 0;

    if (base_now_usec() < log_target.dropping_until_usec)
        return 0;
    n = write_text_lines(priority, lines);
    if (n < lines->n)
        log_target.dropping_until_usec = base_now_usec() + USEC_PER_SEC;
    return n;
}

unsigned log_write_lines(int priority, enum log_event event, const struct log_field *fields,
                         size_t n_fields, const struct log_lines *lines)
{
    const struct log_message message = {LOG_OWN,  priority,    event, fields,
                                        n_fields, lines->head, lines};

    if (log_target.is_journal)
        return log_write_or_drop(&message) ? lines->n : 0;
    return write_text_now(priority, lines);
}

// Forgets the first n records, which are out.
static void forget_kept(unsigned n)
{
    size_t out = n > 0 ? kept.records[n - 1].end : 0;

    for (unsigned i = 0; i < n; i++)
        kept.n_lines -= kept.records[i].n_lines;
    kept.n_records -= n;
    kept.used -= out;
    memmove(kept.bytes, kept.bytes + out, kept.used);
    for (unsigned i = 0; i < kept.n_records; i++) {
        kept.records[i] = kept.records[i + n];
        kept.records[i].end -= out;
    }
}

// A datagram for each: of several records in one, systemd 257 takes the first and drops the others.
static int send_kept(bool may_wait)
{
    size_t begin = 0;
    unsigned n = 0;
    int r = 0;

    while (n < kept.n_records && r == 0) {
        r = journal_send(kept.bytes + begin, kept.records[n].end - begin, may_wait);
        if (r == 0)
            begin = kept.records[n++].end;
    }
    forget_kept(n);
    return r;
}

// The same by bytes, of which the last record may be cut.
static void forget_bytes(size_t size)
{
    unsigned n = 0;

    while (n < kept.n_records && kept.records[n].end <= size)
        n++;
    size -= n > 0 ? kept.records[n - 1].end : 0;
    forget_kept(n);
    kept.used -= size;
    memmove(kept.bytes, kept.bytes + size, kept.used);
    for (unsigned i = 0; i < kept.n_records; i++)
        kept.records[i].end -= size;
}

// A terminal or a socket may take some of the lines.
static int write_kept_lines(bool may_wait)
{
    ssize_t n = output_write(kept.bytes, kept.used, may_wait ? OUTPUT_PATIENCE_MS : 0);

    if (n < 0)
        return (int)n;
    forget_bytes((size_t)n);
    return kept.used == 0 ? 0 : -EAGAIN;
}

int log_write_kept(bool may_wait)
{
    int r;

    if (kept.used == 0)
        return 0;
    may_wait = may_wait && base_now_usec() >= log_target.dropping_until_usec;
    r = log_target.is_journal ? send_kept(may_wait) : write_kept_lines(may_wait);
    if (r == 0)
        (void)log_drop_kept();
    else if (may_wait)
        log_target.dropping_until_usec = base_now_usec() + USEC_PER_SEC; // it is no use for a while
    return r;
}

unsigned log_drop_kept(void)
{
    unsigned n = kept.n_lines;

    for (unsigned i = 0; i < kept.n_records; i++)
        n += kept.records[i].n_lines == 0;
    kept.n_records = kept.n_lines = 0;
    kept.used = 0;
    return n;
}
