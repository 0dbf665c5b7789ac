// SPDX-License-Identifier: MIT
// libsystemd keeps its socket to itself, and for good: it could be neither left to one process nor
// opened anew.

#include "log/journal.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "base/base.h"
#include "log/output.h"

#define ROOM      (8 << 20) // bytes on their way, or as many as the system allows
#define SETTLE_MS 100

// All zero at first: so it is where a worker writes anyway.
static struct {
    bool is_open;
    int fd;
} own;

static int open_socket(void)
{
    const struct timeval patience = {.tv_usec = (suseconds_t)(OUTPUT_PATIENCE_MS * USEC_PER_MSEC)};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)); // known options
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &(int){ROOM}, sizeof(int));
    fd = output_move_up(fd);
    if (fd < 0)
        return -errno;
    own.is_open = true;
    own.fd = fd;
    return 0;
}

// Shut down, connected to somebody, or not a socket any more: by code of others in this process.
// What has its number then may be somebody's, and stays as it is.
static bool is_spoilt(int error)
{
    static const int spoilt[] = {EPIPE, ENOTCONN, ECONNREFUSED, EISCONN, EBADF, ENOTSOCK};

    for (size_t i = 0; i < ELEMENTS(spoilt); i++)
        if (error == spoilt[i])
            return true;
    return false;
}

static int try(const char *record, size_t size, bool may_wait)
{
    static const struct sockaddr_un journal = {.sun_family = AF_UNIX,
                                               .sun_path = "/run/systemd/journal/socket"};
    int flags = MSG_NOSIGNAL | (may_wait ? 0 : MSG_DONTWAIT);

    return sendto(own.fd, record, size, flags, (const struct sockaddr *)&journal, sizeof(journal)) <
                   0
               ? -errno
               : 0;
}

int journal_send(const char *record, size_t size, bool may_wait)
{
    int r = own.is_open ? try(record, size, may_wait) : -EBADF;

    if (!is_spoilt(-r))
        return r;
    if (r != -EBADF && r != -ENOTSOCK)
        base_close_fd(&own.fd);
    own.is_open = false;
    r = open_socket();
    return r < 0 ? r : try(record, size, may_wait);
}

void journal_forget(void)
{
    own.is_open = false;
}

void journal_settle(void)
{
    const struct timespec moment = {.tv_nsec = 1000000};
    int left = 0;

    if (!own.is_open)
        return;
    for (int ms = 0; ms < SETTLE_MS && ioctl(own.fd, SIOCOUTQ, &left) == 0 && left > 0; ms++)
        (void)nanosleep(&moment, NULL);
    (void)nanosleep(&moment, NULL); // what it has taken it looks up only then
}
