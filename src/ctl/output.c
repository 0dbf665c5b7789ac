// SPDX-License-Identifier: MIT
#include "ctl/output.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "base/base.h"

int output_wait(int fd, short events, uint64_t usec)
{
    struct pollfd fds[] = {{.fd = STDOUT_FILENO}, {.fd = fd, .events = events}};
    const struct timespec wait = base_timespec(usec);

    if (ppoll(fds, ELEMENTS(fds), &wait, NULL) < 0)
        return errno == EINTR ? 0 : -errno;
    if ((fds[0].revents & (POLLERR | POLLHUP)) == 0)
        return 0;
    (void)raise(SIGPIPE);
    return -EPIPE;
}
