// SPDX-License-Identifier: MIT
// The table of workers: a fixed array of slots, free ones in a chain, taken ones in a hash by pid.

#include "pool/slots.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/base.h"
#include "process/own_memory.h"

#define BUCKETS 16384 // a power of two; pids come in a row, so a mask spreads them evenly

struct slots {
    struct worker workers[SCOREBOARD_SLOTS];
    struct worker *buckets[BUCKETS];
    struct worker *unused; // chain of slots that were used and are free again
    unsigned n_touched;    // slots below this were used at least once
};

struct slots *slots_new(void)
{
    return own_memory_new(sizeof(struct slots));
}

struct slots *slots_free(struct slots *slots)
{
    own_memory_free(slots, sizeof(*slots));
    return NULL;
}

static struct worker **bucket_of(struct slots *slots, pid_t pid)
{
    return &slots->buckets[(unsigned)pid % BUCKETS];
}

struct worker *slots_reserve(struct slots *slots)
{
    struct worker *worker = slots->unused;

    if (worker) {
        slots->unused = worker->chain;
    } else {
        if (slots->n_touched == SCOREBOARD_SLOTS)
            return NULL;
        worker = &slots->workers[slots->n_touched];
        worker->slot = slots->n_touched++;
    }
    *worker = (struct worker){.slot = worker->slot, .retire_usec = USEC_NEVER};
    return worker;
}

void slots_fill(struct slots *slots, struct worker *worker, pid_t pid)
{
    struct worker **bucket = bucket_of(slots, pid);

    assert(pid > 1 && worker->pid == 0);
    worker->pid = pid;
    worker->chain = *bucket;
    *bucket = worker;
}

struct worker *slots_find(struct slots *slots, pid_t pid)
{
    struct worker *worker = *bucket_of(slots, pid);

    while (worker && worker->pid != pid)
        worker = worker->chain;
    return worker;
}

struct worker *slots_next(struct slots *slots, unsigned from)
{
    while (from < slots->n_touched && slots->workers[from].pid == 0)
        from++;
    return from < slots->n_touched ? &slots->workers[from] : NULL;
}

void slots_release(struct slots *slots, struct worker *worker)
{
    struct worker **link = bucket_of(slots, worker->pid);

    while (worker->pid != 0 && *link != worker)
        link = &(*link)->chain;
    if (worker->pid != 0)
        *link = worker->chain;
    worker->pid = 0;
    worker->chain = slots->unused;
    slots->unused = worker;
}

int slots_signal(const struct worker *worker, int signal)
{
    if (worker->pid <= 1)
        return -ESRCH;
    return kill(worker->pid, signal) < 0 ? -errno : 0;
}

int slots_terminate(const struct worker *worker, int idle_ms)
{
    if (worker->pid <= 1)
        return -ESRCH;
    return sigqueue(worker->pid, SIGTERM, (union sigval){.sival_int = idle_ms}) < 0 ? -errno : 0;
}

int slots_order(const struct worker *worker, int value)
{
    siginfo_t info = {.si_signo = SIGRTMIN, .si_code = SI_QUEUE};

    if (worker->pid <= 1)
        return -ESRCH;
    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_value.sival_int = value;
    // A worker's main thread has the worker's number.
    return syscall(SYS_rt_tgsigqueueinfo, worker->pid, worker->pid, SIGRTMIN, &info) < 0 ? -errno
                                                                                         : 0;
}

int slots_kill_orphan(struct slots *slots, pid_t pid)
{
    if (pid <= 1 || slots_find(slots, pid))
        return -EINVAL;
    return kill(pid, SIGKILL) < 0 ? -errno : 0;
}
