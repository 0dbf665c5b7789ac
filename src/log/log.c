// SPDX-License-Identifier: MIT
// Logging. The master must not block on a stalled reader, so every way out is bounded in time and a
// record that does not get through is dropped and counted, never waited for.

#include "log/log.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base.h"
#include "base/escape.h"
#include "log/journal.h"
#include "log/log_private.h"
#include "log/output.h"

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
    [EVENT_NODE_ORDER] = "a9c22857bfeb4386acc86ba8c5f1b333",
    [EVENT_STOPPED] = "56e5f10bb3e24f48a43074090e3f0d16",
    [EVENT_SESSION_OPENED] = "3035c9cd7642411b8d2bc2f651e43cf1",
    [EVENT_SESSION_CLOSED] = "48d2dd59944d4714aab359b383d61b55",
    [EVENT_SESSION_REFUSED] = "a70a4eb3f2934ea48afde43ad66e9fc1",
    [EVENT_SESSION_LINES] = "63cf710b007e4d75b2604de8a4de0dbd",
};

struct log_target log_target;

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

void log_add_part(struct log_room *room, const char *text, size_t length)
{
    for (size_t i = 0; i < length && room->used < room->limit; i++)
        room->bytes[room->used++] = text[i] == '\n' ? ' ' : text[i];
}

void log_add_bytes(struct log_room *room, const void *bytes, size_t size)
{
    size_t n = room->limit - room->used < size ? room->limit - room->used : size;

    memcpy(room->bytes + room->used, bytes, n);
    room->used += n;
}

static void add_field(struct log_room *room, const char *name, const char *value)
{
    log_add_part(room, name, strlen(name));
    log_add_bytes(room, "=", 1);
    log_add_part(room, value, strlen(value));
    log_add_bytes(room, "\n", 1);
}

// A text of several lines: the field's name on a line, and how long the value is before it.
static void add_lines(struct log_room *room, const struct log_message *message)
{
    size_t length = strlen(message->text), size = message->lines->size - 1; // without the last end
    uint64_t all = htole64(length + 1 + size);

    log_add_bytes(room, "MESSAGE\n", sizeof("MESSAGE\n") - 1);
    log_add_bytes(room, &all, sizeof(all));
    log_add_bytes(room, message->text, length);
    log_add_bytes(room, "\n", 1);
    log_add_bytes(room, message->lines->bytes, size);
    log_add_bytes(room, "\n", 1);
}

// The journal's native protocol.
void log_add_entry(struct log_room *room, const struct log_message *message)
{
    const char level[] = {(char)('0' + message->priority), '\0'};

    if (message->lines)
        add_lines(room, message);
    else
        add_field(room, "MESSAGE", message->text);
    add_field(room, "PRIORITY", level);
    add_field(room, "SYSLOG_IDENTIFIER", message->identifier);
    if (message_ids[message->event])
        add_field(room, "MESSAGE_ID", message_ids[message->event]);
    for (size_t i = 0; i < message->n_fields && i < LOG_FIELDS_MAX; i++)
        add_field(room, message->fields[i].name, message->fields[i].value);
}

static int write_text(const struct log_message *message)
{
    char line[LOG_TEXT_MAX + LOG_IDENTIFIER_MAX + 16];
    bool levels = log_target.levels || log_target.is_journal;
    int n = levels ? snprintf(line, sizeof(line), "<%d>%s: %s\n", message->priority,
                              message->identifier, message->text)
                   : snprintf(line, sizeof(line), "%s: %s\n", message->identifier, message->text);

    return output_write(line, (size_t)n, OUTPUT_PATIENCE_MS) < 0 ? -EAGAIN : 0;
}

static int write_journal(const struct log_message *message)
{
    char bytes[LOG_TEXT_MAX + LOG_LINES_MAX + (LOG_FIELDS_MAX + 4) * 160];
    struct log_room room = {.bytes = bytes, .limit = sizeof(bytes)};

    log_add_entry(&room, message);
    return journal_send(bytes, room.used, true);
}

static int write_record(const struct log_message *message)
{
    int r = log_target.is_journal ? write_journal(message) : -ENOENT;

    // Where no descriptor is left for a socket, standard error goes to the journal as well.
    return (r == -ENOENT || r == -EMFILE) && !message->lines ? write_text(message) : r;
}

void log_open(bool verbose, bool levels)
{
    static const struct log_message starts = {.identifier = LOG_OWN,
                                              .priority = LOG_INFO,
                                              .event = EVENT_STARTED,
                                              .text = "tcpd " TCPD_VERSION " starts"};

    log_target.verbose = verbose;
    log_target.levels = levels;
    output_open();
    if (log_target.is_journal || levels || !is_under_journal())
        return;
    log_target.is_journal = write_journal(&starts) != -ENOENT;
    if (log_target.is_journal)
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
    return log_target.is_journal;
}

// Says how many records were lost, once there is a way out again.
static int report_dropped(void)
{
    char text[64];
    const struct log_message message = {
        .identifier = LOG_OWN, .priority = LOG_WARNING, .text = text};

    if (log_target.n_dropped == 0)
        return 0;
    (void)snprintf(text, sizeof(text), "%u log record%s dropped", log_target.n_dropped,
                   PLURAL(log_target.n_dropped));
    if (write_record(&message) < 0)
        return -EAGAIN;
    log_target.n_dropped = 0;
    return 0;
}

bool log_write_or_drop(const struct log_message *message)
{
    int saved_errno = errno;
    bool is_written = false;

    if (log_target.n_dropped == 0 || base_now_usec() >= log_target.dropping_until_usec) {
        is_written = report_dropped() == 0 && write_record(message) >= 0;
        if (!is_written)
            log_target.dropping_until_usec = base_now_usec() + USEC_PER_SEC;
    }
    log_target.n_dropped += !is_written;
    errno = saved_errno;
    return is_written;
}

void log_field_set(struct log_field *field, const char *name, const char *value)
{
    field->name = name;
    escape_copy(value, field->value, sizeof(field->value));
}

void log_field_set_number(struct log_field *field, const char *name, uint64_t value)
{
    field->name = name;
    (void)snprintf(field->value, sizeof(field->value), "%" PRIu64, value);
}

void log_format(char text[LOG_TEXT_MAX], const char *format, va_list arguments)
{
    if (vsnprintf(text, LOG_TEXT_MAX, format, arguments) >= LOG_TEXT_MAX)
        text[escape_cut(text, LOG_TEXT_MAX - 2)] = '\0';
}

bool log_record(int priority, enum log_event event, const struct log_field *fields, size_t n_fields,
                const char *format, ...)
{
    char text[LOG_TEXT_MAX];
    const struct log_message message = {LOG_OWN, priority, event, fields, n_fields, text, NULL};
    va_list arguments;
    int saved_errno = errno;

    if (priority == LOG_DEBUG && !log_target.verbose)
        return true;
    va_start(arguments, format);
    log_format(text, format, arguments);
    va_end(arguments);
    errno = saved_errno;
    return log_write_or_drop(&message);
}

void log_foreign(const char *identifier, int priority, const struct log_field *fields,
                 size_t n_fields, const char *text)
{
    const struct log_message message = {
        identifier, LOG_PRI(priority), EVENT_NONE, fields, n_fields, text, NULL};

    if (message.priority != LOG_DEBUG || log_target.verbose)
        (void)log_write_or_drop(&message);
}

void log_settle(void)
{
    if (log_target.is_journal)
        journal_settle();
}

void log_last_words(const char *line, size_t size)
{
    (void)output_write(line, size, 0);
}
