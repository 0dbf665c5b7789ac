// SPDX-License-Identifier: MIT
// Logging. The master must not block on a stalled reader, so every way out is bounded in time and a
// record that does not get through is dropped and counted, never waited for.

#include "log/log.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "base/base.h"
#include "log/output.h"

#define PATIENCE_MS 20
#define TEXT_MAX    1024
#define KEPT_MAX    (16 * 1024) // bytes
#define KEPT_COUNT  64          // records

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
    [EVENT_STOPPED] = "56e5f10bb3e24f48a43074090e3f0d16",
    [EVENT_SESSION_OPENED] = "3035c9cd7642411b8d2bc2f651e43cf1",
    [EVENT_SESSION_CLOSED] = "48d2dd59944d4714aab359b383d61b55",
};

// The log target: the one state of the process that is not the master's or a worker's.
static struct {
    int journal_fd; // -1: text on standard error
    bool verbose, levels;
    unsigned n_dropped;
    uint64_t dropping_until_usec;
} target = {.journal_fd = -1};

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

static bool is_datagram_socket(int fd)
{
    int domain = 0, type = 0;
    socklen_t length = sizeof(int);

    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 && domain == AF_UNIX &&
           getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_DGRAM;
}

// libsystemd keeps its socket to itself. A worker that closed it unknowingly would one day log into
// a client's connection of the same number, so the first record tells which number it took: the
// lowest free one. Without that knowledge records go to standard error.
static void find_journal_fd(void)
{
    struct timeval patience = {.tv_usec = (suseconds_t)(PATIENCE_MS * USEC_PER_MSEC)};
    int lowest = dup(STDERR_FILENO);

    if (lowest < 0)
        return;
    (void)close(lowest);
    (void)sd_journal_send("MESSAGE=tcpd " TCPD_VERSION " starts", "PRIORITY=%i", LOG_INFO,
                          "SYSLOG_IDENTIFIER=tcpd", "MESSAGE_ID=%s", message_ids[EVENT_STARTED],
                          NULL);
    if (!is_datagram_socket(lowest))
        return;
    (void)setsockopt(lowest, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    target.journal_fd = lowest;
}

void log_open(bool verbose, bool levels)
{
    target.verbose = verbose;
    target.levels = levels;
    output_open();
    if (target.journal_fd < 0 && !levels && is_under_journal())
        find_journal_fd();
}

int log_fd(void)
{
    return target.journal_fd >= 0 ? target.journal_fd : output_fd();
}

void log_leave_standard_error(void)
{
    if (target.journal_fd < 0)
        output_leave();
}

bool log_has_fields(void)
{
    return target.journal_fd >= 0;
}

static int write_text(const char *identifier, int priority, const char *text)
{
    char line[TEXT_MAX + IDENTIFIER_MAX + 16];
    int n = target.levels ? snprintf(line, sizeof(line), "<%d>%s: %s\n", priority, identifier, text)
                          : snprintf(line, sizeof(line), "%s: %s\n", identifier, text);

    return output_write(line, (size_t)n, PATIENCE_MS) < 0 ? -EAGAIN : 0;
}

static int write_journal(const char *identifier, int priority, enum log_event event,
                         const struct log_field *fields, size_t n_fields, const char *text)
{
    char head[3][IDENTIFIER_MAX + 32], body[LOG_FIELDS_MAX][160], message[TEXT_MAX + 16];
    struct iovec iov[LOG_FIELDS_MAX + 4];
    int n = 0;

#define ADD(buffer, ...)                                                          \
    do {                                                                          \
        (void)snprintf(buffer, sizeof(buffer), __VA_ARGS__);                      \
        iov[n++] = (struct iovec){.iov_base = buffer, .iov_len = strlen(buffer)}; \
    } while (0)

    ADD(message, "MESSAGE=%s", text);
    ADD(head[0], "PRIORITY=%d", priority);
    ADD(head[1], "SYSLOG_IDENTIFIER=%s", identifier);
    if (message_ids[event])
        ADD(head[2], "MESSAGE_ID=%s", message_ids[event]);
    for (size_t i = 0; i < n_fields && i < LOG_FIELDS_MAX; i++)
        ADD(body[i], "%s=%s", fields[i].name, fields[i].value);
#undef ADD
    return sd_journal_sendv(iov, n);
}

static int write_record(const char *identifier, int priority, enum log_event event,
                        const struct log_field *fields, size_t n_fields, const char *text)
{
    if (target.journal_fd < 0)
        return write_text(identifier, priority, text);
    return write_journal(identifier, priority, event, fields, n_fields, text);
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
    return target.journal_fd >= 0 ? sizeof(kept.bytes) : PIPE_BUF;
}

// Appends a part of a record, which stays one line.
static void keep_part(const char *text)
{
    for (; *text && kept.used < kept_limit(); text++)
        kept.bytes[kept.used++] = *text == '\n' ? ' ' : *text;
}

static void keep_end(void)
{
    if (kept.used < kept_limit())
        kept.bytes[kept.used++] = '\n';
}

static void keep_field(const char *name, const char *value)
{
    keep_part(name);
    keep_part("=");
    keep_part(value);
    keep_end();
}

// The journal's native protocol.
static void keep_entry(char priority, enum log_event event, const struct log_field *fields,
                       size_t n_fields, const char *text)
{
    const char level[] = {priority, '\0'};

    keep_field("MESSAGE", text);
    keep_field("PRIORITY", level);
    keep_field("SYSLOG_IDENTIFIER", "tcpd");
    if (message_ids[event])
        keep_field("MESSAGE_ID", message_ids[event]);
    for (size_t i = 0; i < n_fields; i++)
        keep_field(fields[i].name, fields[i].value);
}

static void keep_line(char priority, const char *text)
{
    const char level[] = {'<', priority, '>', '\0'};

    keep_part(target.levels ? level : "");
    keep_part("tcpd: ");
    keep_part(text);
    keep_end();
}

bool log_keep(int priority, enum log_event event, const struct log_field *fields, size_t n_fields,
              const char *format, ...)
{
    char text[TEXT_MAX];
    size_t before = kept.used;
    va_list arguments;

    if (kept.n_records == KEPT_COUNT)
        return false;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (target.journal_fd >= 0)
        keep_entry((char)('0' + priority), event, fields, n_fields, text);
    else
        keep_line((char)('0' + priority), text);
    if (kept.used == kept_limit()) { // cut
        kept.used = before;
        return false;
    }
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
    static const struct sockaddr_un journal = {.sun_family = AF_UNIX,
                                               .sun_path = "/run/systemd/journal/socket"};
    int flags = MSG_NOSIGNAL | (may_wait ? 0 : MSG_DONTWAIT); // SO_SNDTIMEO is set
    size_t begin = 0;
    unsigned n = 0;
    int r = 0;

    while (n < kept.n_records && r == 0) {
        if (sendto(target.journal_fd, kept.bytes + begin, kept.ends[n] - begin, flags,
                   (const struct sockaddr *)&journal, sizeof(journal)) < 0)
            r = -errno;
        else
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
    ssize_t n = output_write(kept.bytes, kept.used, may_wait ? PATIENCE_MS : 0);

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
    r = target.journal_fd >= 0 ? send_kept(may_wait) : write_kept_lines(may_wait);
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
