// SPDX-License-Identifier: MIT
// The kernel says whose a signal or a connection is, /proc whose child that process is. An orphan
// of a worker is the master's child, see master_orphans.c; where it is not adopted, as no service
// starts processes, it is a stranger. A sender that has gone by the time its signal is read is one,
// too: /bin/kill is no other. So is one that /proc hides. Only the user's rule holds all of these.

#include "master/master_kin.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/base.h"
#include "base/parent.h"
#include "log/log.h"
#include "master/master_orphans.h"

#define DEPTH_MAX     64 // of a family; a longer one wants to hide something
#define SAID_A_PERIOD 10

enum kin { KIN_STRANGER, KIN_GONE, KIN_OWN };

// Under the system's manager, which is root's: what comes from tcpd's own user comes from within.
static bool is_system_service(void)
{
    const char *pid = getenv("SYSTEMD_EXEC_PID"); // of what the manager has executed itself

    return pid && atoi(pid) == getpid() && getppid() == 1 && geteuid() != 0;
}

void master_meet_kin(struct master *master)
{
    master->is_system_service = is_system_service();
    master_note_others(master);
}

static bool exists(pid_t pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);

    if (fd < 0)
        return errno != ESRCH;
    (void)close(fd);
    return true;
}

// How a process is related to the master, and the worker that it is or comes from, if it has one.
static enum kin find_kin(struct master *master, pid_t pid, const struct worker **ret_worker)
{
    pid_t self = getpid(), parent;

    *ret_worker = NULL;
    for (int depth = 0; pid > 1 && pid != self; depth++) {
        *ret_worker = slots_find(master->pools.slots, pid);
        if (*ret_worker || depth == DEPTH_MAX)
            return KIN_OWN;
        parent = parent_of(pid);
        if (parent == self)
            return master_is_other_child(master, pid) ? KIN_STRANGER : KIN_OWN;
        if (parent == 0)
            return depth == 0 && !exists(pid) ? KIN_GONE : KIN_STRANGER;
        pid = parent;
    }
    return KIN_STRANGER; // the kernel, process 1, or one of another namespace; or the master itself
}

// What the log has of it: process 4711, started by a worker, sends TERM.
static void say_refused(struct master *master, pid_t pid, const struct worker *worker,
                        const char *what)
{
    struct log_field fields[POOL_FIELDS + 1];
    size_t n = 0;

    if (master->n_refused_said == SAID_A_PERIOD) {
        master->n_refused_unsaid++;
        return;
    }
    master->n_refused_said++;
    if (worker)
        pool_fields(worker->pool, fields);
    n = worker ? POOL_FIELDS : 0;
    log_field_set_number(&fields[n], "TCPD_PROCESS", (uint64_t)pid);
    log_record(LOG_ALERT, EVENT_OWN_REFUSED, fields, n + 1, "%s%sprocess %d%s %s: refused",
               worker ? worker->pool->name : "", worker ? ": " : "", (int)pid,
               !worker              ? ""
               : worker->pid == pid ? ", a worker,"
                                    : ", started by a worker,",
               what);
}

// What the kernel says of a signal's sender cannot be invented.
static bool has_true_sender(const struct signalfd_siginfo *si)
{
    return si->ssi_code == SI_USER || si->ssi_code == SI_TKILL;
}

bool master_refuses_signal(struct master *master, const struct signalfd_siginfo *si)
{
    const struct worker *worker = NULL;
    const char *name = sigabbrev_np((int)si->ssi_signo);
    pid_t pid = (pid_t)si->ssi_pid;
    char what[64];
    bool refuses;

    if (si->ssi_code == SI_KERNEL) // the terminal's
        return false;
    refuses = !has_true_sender(si) || (master->is_system_service && si->ssi_uid == geteuid()) ||
              (si->ssi_uid == geteuid() && find_kin(master, pid, &worker) == KIN_OWN);
    if (!refuses || pid == getpid())
        return false;
    if (has_true_sender(si) && !worker)
        (void)find_kin(master, pid, &worker); // for the log
    (void)snprintf(what, sizeof(what), "sends %s", name ? name : "a signal");
    say_refused(master, pid, worker, what);
    return true;
}

bool master_refuses_request(struct master *master, pid_t pid, uid_t uid, const char *request)
{
    const struct worker *worker;

    if (uid != geteuid() || find_kin(master, pid, &worker) == KIN_STRANGER)
        return false;
    say_refused(master, pid, worker, request);
    return true;
}

void master_report_refused(struct master *master)
{
    if (master->n_refused_unsaid > 0)
        log_record(LOG_ALERT, EVENT_NONE, NULL, 0,
                   "%u more signals and requests from within were refused",
                   master->n_refused_unsaid);
    master->n_refused_said = master->n_refused_unsaid = 0;
}
