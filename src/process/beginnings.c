// SPDX-License-Identifier: MIT
#include "process/beginnings.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

// A closed standard descriptor would be the number of a listener or a client, and get our messages.
int beginnings_open_standard_fds(void)
{
    int fd;

    do {
        fd = open("/dev/null", O_RDWR); // without O_CLOEXEC, as 0, 1 and 2 are
        if (fd < 0) {
            (void)dprintf(STDERR_FILENO, "tcpd: cannot open /dev/null: %s\n", strerror(errno));
            return -1;
        }
    } while (fd <= STDERR_FILENO);
    (void)close(fd);
    return 0;
}

// Nothing that whoever started us ignores or blocks is left to the workers. A reader of our
// messages that goes away, or a file of them that is full, must not take the master with it. That
// HUP is ignored is kept: the master blocks and takes it all the same, but knows of nohup(1).
void beginnings_reset_signals(void)
{
    static const struct { // the kernel's struct sigaction, of which all is 0
        unsigned long handler, flags, restorer;
        uint64_t mask;
    } default_action;

    for (int number = 1; number < NSIG; number++)
        if (number != SIGHUP)
            (void)signal(number, SIG_DFL); // fails for KILL, STOP and libc's own only
    // Which posix_spawn(3) may have left ignored, and programs would inherit.
    for (int number = __SIGRTMIN; number < SIGRTMIN; number++)
        (void)syscall(SYS_rt_sigaction, number, &default_action, NULL, sizeof(default_action.mask));
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN);
}
