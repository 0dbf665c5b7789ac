// SPDX-License-Identifier: MIT
// Ending a program and all that it has started. What it leaves behind becomes a child of this
// worker, so every process that is signalled here is a child that was not waited for: its number is
// its own (B33), and so is its group's while it is in it. Nobody else in a worker calls kill().

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/base.h"
#include "program/program.h"

#define LEFT_MAX      64                    // left behind, dealt with at once; then the next ones
#define LOOK_USEC     (100 * USEC_PER_MSEC) // how often it is looked for more of them
#define PATIENCE_USEC USEC_PER_SEC          // after KILL, for a process that the kernel holds

struct remains {
    pid_t pids[LEFT_MAX]; // children of ours, not yet waited for
    size_t n;
    pid_t told[LEFT_MAX]; // that have got TERM
    size_t n_told;
    bool is_unknown; // without /proc
};

static void signal_child(pid_t pid, int signal)
{
    assert(pid > 1);
    (void)kill(pid, signal); // it may have ended, and is still ours
}

// The program's group, of which `member` is.
static void signal_group(pid_t group, int signal)
{
    assert(group > 1);
    (void)kill(-group, signal);
}

// False: nobody can tell. The children of this process that are neither of two programs, nor what
// the other one started.
static bool find_remains(struct remains *remains, pid_t program, pid_t other)
{
    cleanup_close int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
    char text[LEFT_MAX * 12];
    ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;
    char *next = text;

    remains->n = 0;
    text[n > 0 ? n : 0] = '\0';
    for (pid_t pid; remains->n < LEFT_MAX && (pid = (pid_t)strtol(next, &next, 10)) > 1;)
        if (pid != program && pid != other && *next != '\0' && // a number may be cut off
            (other == 0 || getsid(pid) != other))
            remains->pids[remains->n++] = pid;
    return n > 0 || (fd >= 0 && n == 0);
}

// Waits for those that have ended; what they have left behind is found next time.
static void reap(struct remains *remains)
{
    size_t n = 0;

    for (size_t i = 0; i < remains->n; i++)
        if (waitpid(remains->pids[i], NULL, WNOHANG) == 0)
            remains->pids[n++] = remains->pids[i];
    remains->n = n;
}

static bool is_among(const pid_t *pids, size_t n, pid_t pid)
{
    for (size_t i = 0; i < n; i++)
        if (pids[i] == pid)
            return true;
    return false;
}

// Those that have ended are forgotten: others need the room, and may get their numbers. Groups
// stay.
static void forget_ended(struct remains *remains)
{
    size_t n = 0;

    for (size_t i = 0; i < remains->n_told; i++)
        if (remains->told[i] < 0 || is_among(remains->pids, remains->n, remains->told[i]))
            remains->told[n++] = remains->told[i];
    remains->n_told = n;
}

static void remember(struct remains *remains, pid_t pid)
{
    if (remains->n_told < LEFT_MAX)
        remains->told[remains->n_told++] = pid;
}

// TERM once to each of them, or KILL. Those of the program's group that are no children of ours are
// reached through it.
static void signal_remains(struct remains *remains, pid_t group, int signal)
{
    for (size_t i = 0; i < remains->n; i++) {
        pid_t pid = remains->pids[i];
        pid_t whom = getpgid(pid) == group ? -group : pid;

        if (signal == SIGTERM &&
            (remains->n_told == LEFT_MAX || is_among(remains->told, remains->n_told, whom)))
            continue;
        remember(remains, whom);
        if (whom < 0)
            signal_group(group, signal);
        else
            signal_child(pid, signal);
    }
}

// True while anything of the program may be there. One that ends after it was found leaves its own
// children to us: so nothing is left only when nothing was found.
static bool look(struct program *program, const struct program *other, struct remains *remains)
{
    bool found;

    (void)program_has_ended(program);
    remains->is_unknown = !find_remains(remains, program->pid, other ? other->pid : 0);
    found = remains->n > 0;
    reap(remains);
    forget_ended(remains);
    return found || !program->ended;
}

// Nothing but the program was there, as nearly always: one call says so.
static bool has_left_nothing(const struct program *program, const struct program *other)
{
    siginfo_t info;

    return program->ended && !other && waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 &&
           errno == ECHILD;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

// One round of waiting for the end of all: signals, then sleeps until something has changed.
static void urge(struct program *program, struct remains *remains, uint64_t kill_usec, uint64_t now)
{
    struct pollfd err = {.fd = program->err, .events = POLLIN};
    bool is_late = now >= kill_usec;

    if (is_late && !program->ended)
        signal_group(program->group, SIGKILL);
    signal_remains(remains, program->group, is_late ? SIGKILL : SIGTERM);
    program_poll(&err, 1, earlier(is_late ? USEC_NEVER : kill_usec, now + LOOK_USEC));
}

void program_end(struct program *program, const struct program *other,
                 const struct tcpd_session *session)
{
    uint64_t now = base_now_usec(), kill_usec;
    struct remains remains = {0};
    bool is_clean;

    if (program->group == 0)
        return; // it was never started
    kill_usec = now + program->options->kill_grace_usec;
    if (!program_has_ended(program)) {
        signal_group(program->group, SIGTERM);
        remember(&remains, -program->group);
    }
    is_clean = has_left_nothing(program, other);
    while (!is_clean && now < kill_usec + PATIENCE_USEC) {
        is_clean = !look(program, other, &remains);
        if (remains.n > 0 || !program->ended)
            urge(program, &remains, kill_usec, now);
        program_log(program, session);
        now = base_now_usec();
    }
    program_close_log(program, session, is_clean && !remains.is_unknown);
}
