// SPDX-License-Identifier: MIT
// Orphans: what a worker's program or module has started and a dead worker has left behind. The
// master adopts it (PR_SET_CHILD_SUBREAPER) and kills it, so that no process outlives its session.
// A worker that lives ends what is its own by itself: program_end.c.

#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base.h"
#include "log.h"
#include "master.h"

// Calls take() with each child of this process.
static void each_child(struct master *master, void (*take)(struct master *, pid_t))
{
    FILE *children = fopen("/proc/thread-self/children", "re");
    int pid;

    if (!children)
        return; // no /proc: systemd kills the control group in the end
    while (fscanf(children, "%d", &pid) == 1)
        take(master, pid);
    (void)fclose(children); // only read from
}

static void remember(struct master *master, pid_t pid)
{
    if (master->n_inherited < ELEMENTS(master->inherited))
        master->inherited[master->n_inherited++] = pid;
}

void master_adopt_orphans(struct master *master)
{
    each_child(master, remember); // of whoever was here before exec
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
}

static bool is_inherited(const struct master *master, pid_t pid)
{
    for (size_t i = 0; i < master->n_inherited; i++)
        if (master->inherited[i] == pid)
            return true;
    return false;
}

static void say_killed(struct master *master, pid_t pid)
{
    for (size_t i = 0; i < ELEMENTS(master->killed); i++)
        if (master->killed[i] == pid)
            return;
    master->killed[master->n_killed++ % ELEMENTS(master->killed)] = pid;
    log_notice("process %d, which a dead worker has left behind, is killed", pid);
}

static void end_if_orphan(struct master *master, pid_t pid)
{
    siginfo_t info = {0};

    if (slots_find(master->pools.slots, pid) || is_inherited(master, pid))
        return;
    // It may have ended already, to be reaped in a moment.
    if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0 &&
        slots_kill_orphan(master->pools.slots, pid) == 0) {
        master->orphans = true; // until it is gone; what it has started comes to us then
        say_killed(master, pid);
    }
}

void master_end_orphans(struct master *master)
{
    master->orphans = false;
    each_child(master, end_if_orphan);
}
