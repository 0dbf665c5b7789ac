// SPDX-License-Identifier: MIT
#include "ctl/output.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/base.h"
#include "ctl/fail.h"

static bool is_lost; // said once

// error: 0, it may have been lost since.
static int lose(int error)
{
    if (!is_lost)
        (void)fail(0, "cannot write to standard output%s%s", error > 0 ? ": " : "",
                   error > 0 ? strerror(error) : "");
    is_lost = true;
    return EX_IOERR;
}

int output_end(int status)
{
    errno = 0;
    return !is_lost && fflush(stdout) == 0 && !ferror(stdout) ? status : lose(errno);
}

int output_wait(int fd, short events, uint64_t usec)
{
    struct pollfd fds[] = {{.fd = STDOUT_FILENO}, {.fd = fd, .events = events}};
    const struct timespec wait = base_timespec(usec);

    if (ppoll(fds, ELEMENTS(fds), &wait, NULL) < 0)
        return errno == EINTR ? 0 : -errno;
    if ((fds[0].revents & (POLLERR | POLLHUP)) == 0)
        return 0;
    (void)raise(SIGPIPE);
    (void)lose(EPIPE);
    return -EPIPE;
}
