// SPDX-License-Identifier: MIT
// Logging. The master must not block on a stalled reader, so every way out is bounded in time and a
// record that does not get through is dropped and counted, never waited for.

#include "log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "base.h"

#define PATIENCE_USEC (50 * USEC_PER_MSEC)
#define TEXT_MAX      1024

static const char *const message_ids[LOG_EVENTS] = {
    [EVENT_STARTED] = "33fa35e042ff47e580a8a5ed51d91256",
    [EVENT_READY] = "f93b539d75bd432ba9007147be21b501",
    [EVENT_RELOADED] = "0f0041f018d24c49b2776817c3c62d55",
    [EVENT_RELOAD_FAILED] = "2a7f91571d744bc39f94124084888aee",
    [EVENT_WORKER_DIED] = "62455877a16d472da16d27fefaf3ff90",
    [EVENT_WORKER_KILLED] = "82d79586f49d49bbb5095d9f45b9f762",
    [EVENT_POOL_FULL] = "4d95c32f5015444abe09dd3e492c3f0f",
    [EVENT_THROTTLED] = "d8131bcf275444c48b36531802e57f55",
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
    struct timeval patience = {.tv_usec = (suseconds_t)PATIENCE_USEC};
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
    if (target.journal_fd < 0 && !levels && is_under_journal())
        find_journal_fd();
}

int log_journal_fd(void)
{
    return target.journal_fd;
}

static int write_text(int priority, const char *text)
{
    struct pollfd reader = {.fd = STDERR_FILENO, .events = POLLOUT};
    char line[TEXT_MAX + 16];
    int n = target.levels ? snprintf(line, sizeof(line), "<%d>tcpd: %s\n", priority, text)
                          : snprintf(line, sizeof(line), "tcpd: %s\n", text);

    // A pipe that polls writable takes a whole line of this size.
    if (poll(&reader, 1, (int)(PATIENCE_USEC / USEC_PER_MSEC)) <= 0)
        return -EAGAIN; // also when a signal came: never write without knowing that there is room
    return write(STDERR_FILENO, line, (size_t)n) < 0 ? -errno : 0;
}

static int write_journal(int priority, enum log_event event, const struct log_field *fields,
                         size_t n_fields, const char *text)
{
    char head[3][64], body[LOG_FIELDS_MAX][160], message[TEXT_MAX + 16];
    struct iovec iov[LOG_FIELDS_MAX + 4];
    int n = 0;

#define ADD(buffer, ...)                                                          \
    do {                                                                          \
        (void)snprintf(buffer, sizeof(buffer), __VA_ARGS__);                      \
        iov[n++] = (struct iovec){.iov_base = buffer, .iov_len = strlen(buffer)}; \
    } while (0)

    ADD(message, "MESSAGE=%s", text);
    ADD(head[0], "PRIORITY=%d", priority);
    ADD(head[1], "SYSLOG_IDENTIFIER=tcpd");
    if (message_ids[event])
        ADD(head[2], "MESSAGE_ID=%s", message_ids[event]);
    for (size_t i = 0; i < n_fields && i < LOG_FIELDS_MAX; i++)
        ADD(body[i], "%s=%s", fields[i].name, fields[i].value);
#undef ADD
    return sd_journal_sendv(iov, n);
}

static int write_record(int priority, enum log_event event, const struct log_field *fields,
                        size_t n_fields, const char *text)
{
    if (target.journal_fd < 0)
        return write_text(priority, text);
    return write_journal(priority, event, fields, n_fields, text);
}

// Says how many records were lost, once there is a way out again.
static int report_dropped(void)
{
    char text[64];

    if (target.n_dropped == 0)
        return 0;
    (void)snprintf(text, sizeof(text), "%u log records were dropped", target.n_dropped);
    if (write_record(LOG_WARNING, EVENT_NONE, NULL, 0, text) < 0)
        return -EAGAIN;
    target.n_dropped = 0;
    return 0;
}

void log_record(int priority, enum log_event event, const struct log_field *fields, size_t n_fields,
                const char *format, ...)
{
    char text[TEXT_MAX];
    va_list arguments;
    int saved_errno = errno;

    if (priority == LOG_DEBUG && !target.verbose)
        return;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);

    if (target.n_dropped > 0 && base_now_usec() < target.dropping_until_usec) {
        target.n_dropped++;
    } else if (report_dropped() < 0 ||
               write_record(priority, event, fields, n_fields, text) == -EAGAIN) {
        target.n_dropped++;
        target.dropping_until_usec = base_now_usec() + USEC_PER_SEC;
    }
    errno = saved_errno;
}
