// SPDX-License-Identifier: MIT
// Orphans: what a worker's program or module has started and a dead worker has left behind. The
// master adopts it (PR_SET_CHILD_SUBREAPER) and kills it, so that no process outlives its session.
// A worker that lives ends what is its own by itself: program_end.c. Only while there are such
// services, only after the death of such a worker, and never as process 1, who adopts everybody's:
// children that were there before, or came at another time, are none of ours to kill.

#include "master/master_orphans.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/base.h"
#include "config/handler.h"
#include "log/log.h"

#define LOOK_USEC (10 * USEC_PER_SEC) // after such a death, orphans are looked for
#define STOP_USEC (2 * USEC_PER_SEC)  // stopping: a killed process takes a moment
#define SAID      10                  // killed processes that are named, after one death

// Calls take() with each child of this process. False: it should be tried again.
static bool each_child(struct master *master, void (*take)(struct master *, pid_t))
{
    FILE *children = fopen("/proc/thread-self/children", "re");
    int pid;

    if (!children)
        return errno == ENOENT; // no /proc: systemd kills the control group in the end
    while (fscanf(children, "%d", &pid) == 1)
        take(master, pid);
    (void)fclose(children); // only read from
    return true;
}

static void remember(struct master *master, pid_t pid)
{
    struct orphans *orphans = &master->orphans;
    pid_t *more;

    if (slots_find(master->pools.slots, pid))
        return;
    more = reallocarray(orphans->others, orphans->n_others + 1, sizeof(pid_t));
    if (!more)
        return;
    orphans->others = more;
    orphans->others[orphans->n_others++] = pid;
}

// Once a service leaves processes on purpose, nobody can tell them from others: then none is
// killed.
static bool is_wanted(struct master *master)
{
    bool wanted = false;

    for (const struct pool *pool = master->pools.first; pool; pool = pool->next) {
        wanted = wanted || pool->service->handler->starts_processes;
        master->orphans.are_left = master->orphans.are_left || pool->service->leaves_processes;
    }
    return wanted && !master->orphans.are_left;
}

static void disown(struct orphans *orphans)
{
    if (orphans->are_adopted)
        (void)prctl(PR_SET_CHILD_SUBREAPER, 0); // cannot fail
    orphans->are_adopted = orphans->are_due = false;
}

void master_note_others(struct master *master)
{
    master->orphans.others_known = each_child(master, remember);
}

void master_adopt_orphans(struct master *master)
{
    bool wanted = is_wanted(master);

    if (master->orphans.are_left)
        disown(&master->orphans);
    if (!wanted || master->orphans.are_adopted || getpid() == 1)
        return;
    if (master->orphans.others_known)
        master->orphans.are_adopted = prctl(PR_SET_CHILD_SUBREAPER, 1) == 0;
}

static bool is_other(const struct orphans *orphans, pid_t pid)
{
    for (size_t i = 0; i < orphans->n_others; i++)
        if (orphans->others[i] == pid)
            return true;
    return false;
}

bool master_is_other_child(const struct master *master, pid_t pid)
{
    return is_other(&master->orphans, pid);
}

void master_note_death(struct master *master, const struct worker *worker, pid_t pid, uint64_t now)
{
    struct orphans *orphans = &master->orphans;

    for (size_t i = 0; i < orphans->n_others; i++)
        if (orphans->others[i] == pid)
            orphans->others[i] = orphans->others[--orphans->n_others];
    if (worker && worker->starts_processes) {
        if (now >= orphans->until_usec)
            orphans->n_said = 0;
        orphans->until_usec = now + LOOK_USEC;
    }
    if (now < orphans->until_usec) // an orphan's children are ours now
        orphans->are_due = orphans->are_adopted;
}

static bool was_said(const struct orphans *orphans, pid_t pid)
{
    for (unsigned i = 0; i < orphans->n_said; i++)
        if (orphans->said[i] == pid)
            return true;
    return false;
}

// Each once: its death takes a moment, in which it is killed again.
static void say_killed(struct orphans *orphans, pid_t pid)
{
    if (orphans->n_said > SAID || was_said(orphans, pid))
        return;
    if (orphans->n_said == SAID)
        log_notice("more processes left behind by dead workers are killed");
    else
        log_notice("process %d, left behind by a dead worker, is killed", pid);
    orphans->said[orphans->n_said++] = pid;
}

static void end_if_orphan(struct master *master, pid_t pid)
{
    struct orphans *orphans = &master->orphans;
    siginfo_t info = {0};
    int r;

    if (slots_find(master->pools.slots, pid) || is_other(orphans, pid) ||
        pid == master->rehearsal.pid || pid == master->check.pid)
        return;
    // It may have ended already, to be reaped in a moment.
    r = waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT);
    if ((r < 0 && errno == ECHILD) || (r == 0 && info.si_pid != 0))
        return;
    orphans->are_due = true; // until it is gone; what it has started comes to us then
    if (r == 0 && slots_kill_orphan(master->pools.slots, pid) == 0)
        say_killed(orphans, pid);
}

void master_end_orphans(struct master *master)
{
    master->orphans.are_due = false;
    if (master->orphans.are_adopted && !each_child(master, end_if_orphan))
        master->orphans.are_due = true;
}

bool master_is_alone(struct master *master, uint64_t now)
{
    struct orphans *orphans = &master->orphans;

    if (now >= orphans->until_usec)
        return true;
    if (orphans->stop_usec == 0)
        orphans->stop_usec = now + STOP_USEC;
    master_end_orphans(master);
    return !orphans->are_due || now >= orphans->stop_usec;
}
