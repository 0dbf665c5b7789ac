// SPDX-License-Identifier: MIT
// Hang-ups. The kernel sends HUP to a session's leader and to what runs in the foreground; a shell
// passes it on to its jobs, and may be faster: the kernel's is not seen then, as there is one that
// waits already. nohup(1) has HUP ignored, which main() leaves as it is.

#include "master/master_terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>

#include "base/base.h"

bool master_has_terminal(void)
{
    cleanup_close int fd = open("/dev/tty", O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

    return fd >= 0 || errno != ENXIO; // all else says nothing of it
}

static bool is_of_hangup(const struct master *master, const struct signalfd_siginfo *si)
{
    if (si->ssi_code == SI_KERNEL)
        return true;
    return master->has_terminal && (pid_t)si->ssi_pid == getsid(0) && !master_has_terminal();
}

bool master_lost_terminal(const struct master *master, const struct signalfd_siginfo *si)
{
    struct sigaction action;

    return is_of_hangup(master, si) && sigaction(SIGHUP, NULL, &action) == 0 &&
           action.sa_handler != SIG_IGN;
}
