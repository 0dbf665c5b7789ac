// SPDX-License-Identifier: MIT
// Lines that a program writes to its standard error, as the log has them: each is one line there,
// of printing text, and not mistaken for one of tcpd's own.

#include <unistd.h>

#include "base/escape.h"
#include "log/log.h"
#include "session/session_log.h"

#include "given.h"

#define LINE_MAX_SHOWN 1100

static char logged[64 * 1024];

// What is logged meanwhile goes to a file.
static size_t log_one(const void *line, size_t size, const struct service *service)
{
    static const struct config config = {.log_addresses = LOG_ADDRESSES_FULL};
    static int fd = -1, real;
    ssize_t n;

    if (fd < 0) {
        fd = memfd_create("log", MFD_CLOEXEC);
        real = dup(STDERR_FILENO);
        MUST(fd >= 0 && real >= 0 && dup2(fd, STDERR_FILENO) >= 0);
        log_open(false, false);
    }
    MUST(dup2(fd, STDERR_FILENO) >= 0 && ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0);
    session_log_line(NULL, service, &config, LOG_INFO, line, size);
    MUST(dup2(real, STDERR_FILENO) >= 0);
    n = pread(fd, logged, sizeof(logged), 0);
    MUST(n >= 0);
    return (size_t)n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char name[] = "says";
    static const struct service service = {.name = name};
    static const char head[] = "tcpd/says: ";
    size_t n = log_one(data, size, &service);

    MUST(n > strlen(head) && n <= LINE_MAX_SHOWN && memcmp(logged, head, strlen(head)) == 0);
    MUST(logged[n - 1] == '\n' && !memchr(logged, '\n', n - 1) && !memchr(logged, '\0', n));
    MUST(escape_is_utf8(logged, n - 1));
    for (size_t i = 0; i + 1 < n; i++)
        MUST((uint8_t)logged[i] >= ' ' && logged[i] != 0x7f);
    return 0;
}
