// SPDX-License-Identifier: MIT
// Logging. The master must not block on a stalled reader, so every way out is bounded in time and a
// record that does not get through is dropped and counted, never waited for.

#include "log/log.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base.h"
#include "log/journal.h"
#include "log/output.h"

#define TEXT_MAX   1024
#define KEPT_MAX   (16 * 1024) // bytes
#define KEPT_COUNT 64          // records

#define OWN            "tcpd"
#define IDENTIFIER_MAX 80 // "tcpd/" and a service's name

static const char *const message_ids[LOG_EVENTS] = {
    [EVENT_STARTED] = "33fa35e042ff47e580a8a5ed51d91256",
    [EVENT_READY] = "f93b539d75bd432ba9007147be21b501",
    [EVENT_RELOADED] = "0f0041f018d24c49b2776817c3c62d55",
    [EVENT_RELOAD_FAILED] = "2a7f91571d744bc39f94124084888aee",
    [EVENT_WORKER_DIED] = "62455877a16d472da16d27fefaf3ff90",
    [EVENT_MODULE_DIED] = "bcace647f79e4a8a8ffc42418fa1cf18",
    [EVENT_WORKER_KILLED] = "82d79586f49d49bbb5095d9f45b9f762",
    [EVENT_POOL_FULL] = "4d95c32f5015444abe09dd3e492c3f0f",
    [EVENT_DATAGRAMS_DROPPED] = "341580ff34664a60afba9a06320ac29d",
    [EVENT_THROTTLED] = "d8131bcf275444c48b36531802e57f55",
    [EVENT_SOURCE_CRASHES] = "ea699ee7a3e1445fb98da1011bae0d88",
    [EVENT_OWN_REFUSED] = "c13b677ee1bc410fb6ec2b31e6dcb626",
    [EVENT_CERTIFICATE_EXPIRES] = "e2f172bd626e41d28c41f0ad4f9973d3",
    [EVENT_STOPPED] = "56e5f10bb3e24f48a43074090e3f0d16",
    [EVENT_SESSION_OPENED] = "3035c9cd7642411b8d2bc2f651e43cf1",
    [EVENT_SESSION_CLOSED] = "48d2dd59944d4714aab359b383d61b55",
    [EVENT_SESSION_REFUSED] = "a70a4eb3f2934ea48afde43ad66e9fc1",
};

// The log target: the one state of the process that is not the master's or a worker's.
static struct {
    bool is_journal; // else text on standard error
    bool verbose, levels;
    unsigned n_dropped;
    uint64_t dropping_until_usec;
} target;

// Records that are ready to be written as they are.
static struct {
    unsigned n_records;
    size_t used;
    size_t ends[KEPT_COUNT]; // of each record
    char bytes[KEPT_MAX];
} kept;

// JOURNAL_STREAM names the device and inode of the stream that systemd gave us, if it still is
// ours.
static bool is_under_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat st;

    return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
           fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

static int write_text(const char *identifier, int priority, const char *text)
{
    char line[TEXT_MAX + IDENTIFIER_MAX + 16];
    bool levels = target.levels || target.is_journal;
    int n = levels ? snprintf(line, sizeof(line), "<%d>%s: %s\n", priority, identifier, text)
                   : snprintf(line, sizeof(line), "%s: %s\n", identifier, text);

    return output_write(line, (size_t)n, OUTPUT_PATIENCE_MS) < 0 ? -EAGAIN : 0;
}

// Bytes that fill up; those that are full are cut.
struct room {
    char *bytes;
    size_t used, limit;
};

// Appends a part of a record, which stays one line.
static void add_part(struct room *room, const char *text)
{
    for (; *text && room->used < room->limit; text++)
        room->bytes[room->used++] = *text == '\n' ? ' ' : *text;
}

static void add_end(struct room *room)
{
    if (room->used < room->limit)
        room->bytes[room->used++] = '\n';
}

static void add_field(struct room *room, const char *name, const char *value)
{
    add_part(room, name);
    add_part(room, "=");
    add_part(room, value);
    add_end(room);
}

// The journal's native protocol.
static void add_entry(struct room *room, const char *identifier, int priority, enum log_event event,
                      const struct log_field *fields, size_t n_fields, const char *text)
{
    const char level[] = {(char)('0' + priority), '\0'};

    add_field(room, "MESSAGE", text);
    add_field(room, "PRIORITY", level);
    add_field(room, "SYSLOG_IDENTIFIER", identifier);
    if (message_ids[event])
        add_field(room, "MESSAGE_ID", message_ids[event]);
    for (size_t i = 0; i < n_fields && i < LOG_FIELDS_MAX; i++)
        add_field(room, fields[i].name, fields[i].value);
}

static int write_journal(const char *identifier, int priority, enum log_event event,
                         const struct log_field *fields, size_t n_fields, const char *text)
{
    char bytes[TEXT_MAX + (LOG_FIELDS_MAX + 4) * 160];
    struct room room = {.bytes = bytes, .limit = sizeof(bytes)};

    add_entry(&room, identifier, priority, event, fields, n_fields, text);
    return journal_send(bytes, room.used, true);
}

static int write_record(const char *identifier, int priority, enum log_event event,
                        const struct log_field *fields, size_t n_fields, const char *text)
{
    int r = target.is_journal ? write_journal(identifier, priority, event, fields, n_fields, text)
                              : -ENOENT;

    // Where no descriptor is left for a socket, standard error goes to the journal as well.
    return r == -ENOENT || r == -EMFILE ? write_text(identifier, priority, text) : r;
}

void log_open(bool verbose, bool levels)
{
    target.verbose = verbose;
    target.levels = levels;
    output_open();
    if (target.is_journal || levels || !is_under_journal())
        return;
    target.is_journal = write_journal(OWN, LOG_INFO, EVENT_STARTED, NULL, 0,
                                      "tcpd " TCPD_VERSION " starts") != -ENOENT;
    if (target.is_journal)
        (void)atexit(journal_settle); // not for children, which end by _exit()
}

void log_begin_child(void)
{
    journal_forget();
    output_renew();
}

void log_leave_standard_error(void)
{
    output_leave();
}

bool log_has_fields(void)
{
    return target.is_journal;
}

// Says how many records were lost, once there is a way out again.
static int report_dropped(void)
{
    char text[64];

    if (target.n_dropped == 0)
        return 0;
    (void)snprintf(text, sizeof(text), "%u log record%s dropped", target.n_dropped,
                   PLURAL(target.n_dropped));
    if (write_record(OWN, LOG_WARNING, EVENT_NONE, NULL, 0, text) < 0)
        return -EAGAIN;
    target.n_dropped = 0;
    return 0;
}

// Writes it now or never: what finds no way out is counted. False: it was dropped.
static bool write_or_drop(const char *identifier, int priority, enum log_event event,
                          const struct log_field *fields, size_t n_fields, const char *text)
{
    int saved_errno = errno;
    bool is_written = false;

    if (target.n_dropped == 0 || base_now_usec() >= target.dropping_until_usec) {
        is_written = report_dropped() == 0 &&
                     write_record(identifier, priority, event, fields, n_fields, text) >= 0;
        if (!is_written)
            target.dropping_until_usec = base_now_usec() + USEC_PER_SEC;
    }
    target.n_dropped += !is_written;
    errno = saved_errno;
    return is_written;
}

bool log_record(int priority, enum log_event event, const struct log_field *fields, size_t n_fields,
                const char *format, ...)
{
    char text[TEXT_MAX];
    va_list arguments;
    int saved_errno = errno;

    if (priority == LOG_DEBUG && !target.verbose)
        return true;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    errno = saved_errno;
    return write_or_drop(OWN, priority, event, fields, n_fields, text);
}

void log_foreign(const char *identifier, int priority, const struct log_field *fields,
                 size_t n_fields, const char *text)
{
    priority = LOG_PRI(priority);
    if (priority != LOG_DEBUG || target.verbose)
        (void)write_or_drop(identifier, priority, EVENT_NONE, fields, n_fields, text);
}

// A pipe takes so much whole or not at all.
static size_t kept_limit(void)
{
    return target.is_journal ? sizeof(kept.bytes) : PIPE_BUF;
}

static void add_line(struct room *room, int priority, const char *text)
{
    const char level[] = {'<', (char)('0' + priority), '>', '\0'};

    add_part(room, target.levels ? level : "");
    add_part(room, OWN ": ");
    add_part(room, text);
    add_end(room);
}

bool log_keep(int priority, enum log_event event, const struct log_field *fields, size_t n_fields,
              const char *format, ...)
{
    char text[TEXT_MAX];
    struct room room = {.bytes = kept.bytes, .used = kept.used, .limit = kept_limit()};
    va_list arguments;

    if (kept.n_records == KEPT_COUNT)
        return false;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (target.is_journal)
        add_entry(&room, OWN, priority, event, fields, n_fields, text);
    else
        add_line(&room, priority, text);
    if (room.used == room.limit) // cut
        return false;
    kept.used = room.used;
    kept.ends[kept.n_records++] = kept.used;
    return true;
}

// Forgets the first n records, which are out.
static void forget_kept(unsigned n)
{
    size_t out = n > 0 ? kept.ends[n - 1] : 0;

    kept.n_records -= n;
    kept.used -= out;
    memmove(kept.bytes, kept.bytes + out, kept.used);
    for (unsigned i = 0; i < kept.n_records; i++)
        kept.ends[i] = kept.ends[i + n] - out;
}

// A datagram for each: of several records in one, systemd 257 takes the first and drops the others.
static int send_kept(bool may_wait)
{
    size_t begin = 0;
    unsigned n = 0;
    int r = 0;

    while (n < kept.n_records && r == 0) {
        r = journal_send(kept.bytes + begin, kept.ends[n] - begin, may_wait);
        if (r == 0)
            begin = kept.ends[n++];
    }
    forget_kept(n);
    return r;
}

// The same by bytes, of which the last record may be cut.
static void forget_bytes(size_t size)
{
    unsigned n = 0;

    while (n < kept.n_records && kept.ends[n] <= size)
        n++;
    size -= n > 0 ? kept.ends[n - 1] : 0;
    forget_kept(n);
    kept.used -= size;
    memmove(kept.bytes, kept.bytes + size, kept.used);
    for (unsigned i = 0; i < kept.n_records; i++)
        kept.ends[i] -= size;
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
    may_wait = may_wait && base_now_usec() >= target.dropping_until_usec;
    r = target.is_journal ? send_kept(may_wait) : write_kept_lines(may_wait);
    if (r == 0)
        (void)log_drop_kept();
    else if (may_wait)
        target.dropping_until_usec = base_now_usec() + USEC_PER_SEC; // it is no use for a while
    return r;
}

unsigned log_drop_kept(void)
{
    unsigned n = kept.n_records;

    kept.n_records = 0;
    kept.used = 0;
    return n;
}

void log_last_words(const char *line, size_t size)
{
    (void)output_write(line, size, 0);
}
