// SPDX-License-Identifier: MIT
// Ending a program and what it has started, as kill_mode says. What it leaves behind becomes a
// child of this worker, so every process that is signalled here is a child that was not waited for:
// its number is its own (B33), and so is its group's while it is in it. Nobody else in a worker
// calls kill(). What is to live on gets rid of the worker by the worker's exit: a child cannot be
// given away otherwise, and the next session begins without any.

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/base.h"
#include "process/process.h"
#include "program/program.h"
#include "program/program_left.h"

#define LOOK_USEC     (100 * USEC_PER_MSEC) // how often it is looked for more of them
#define PATIENCE_USEC USEC_PER_SEC          // after KILL, for a process that the kernel holds

struct remains {
    struct left left;     // children of ours, not yet waited for
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

// Waits for those that have ended; what they have left behind is found next time.
static void reap(struct left *left)
{
    size_t n = 0;

    for (size_t i = 0; i < left->n; i++)
        if (waitpid(left->pids[i], NULL, WNOHANG) == 0)
            left->pids[n++] = left->pids[i];
    left->n = n;
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
        if (remains->told[i] < 0 || is_among(remains->left.pids, remains->left.n, remains->told[i]))
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
    for (size_t i = 0; i < remains->left.n; i++) {
        pid_t pid = remains->left.pids[i];
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
    remains->is_unknown = !left_find(&remains->left, program->pid, other ? other->pid : 0);
    found = remains->left.n > 0;
    reap(&remains->left);
    forget_ended(remains);
    return found || !program->ended;
}

// Nothing but the program was there, as nearly always: one call says so.
static bool has_left_nothing(struct program *program, const struct program *other)
{
    siginfo_t info;

    if (program->ended && !program->is_alone && !other)
        program->is_alone = waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 &&
                            errno == ECHILD;
    return program->is_alone;
}

static bool is_held(const struct program *program, ino_t socket)
{
    struct left left;

    if (!left_find(&left, program->pid, 0) || left.n == LEFT_MAX)
        return true;
    reap(&left);
    if (program->pid > 0)
        left.pids[left.n++] = program->pid;
    return left_holds(&left, socket);
}

// Looks twice: one that ends meanwhile leaves its children to us, unseen.
bool program_holds(struct program *program, ino_t socket)
{
    bool holds = false;

    if (has_left_nothing(program, NULL))
        return false;
    for (int i = 0; i < 2 && !holds; i++)
        holds = is_held(program, socket);
    return holds;
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

// True: nothing is left.
static bool end_group(struct program *program, const struct program *other,
                      const struct tcpd_session *session)
{
    uint64_t now = base_now_usec(), kill_usec = now + program->options->kill_grace_usec;
    struct remains remains = {.n_told = 0};
    bool is_clean;

    if (!program_has_ended(program)) {
        signal_group(program->group, SIGTERM);
        remember(&remains, -program->group);
    }
    is_clean = has_left_nothing(program, other);
    while (!is_clean && now < kill_usec + PATIENCE_USEC) {
        is_clean = !look(program, other, &remains);
        if (remains.left.n > 0 || !program->ended)
            urge(program, &remains, kill_usec, now);
        program_log(program, session);
        now = base_now_usec();
    }
    return is_clean && !remains.is_unknown;
}

// Whatever it has started is told nothing.
static void end_alone(struct program *program, const struct tcpd_session *session)
{
    uint64_t now = base_now_usec(), kill_usec = now + program->options->kill_grace_usec;

    if (!program_has_ended(program))
        signal_child(program->pid, SIGTERM);
    while (!program_has_ended(program) && now < kill_usec + PATIENCE_USEC) {
        struct pollfd err = {.fd = program->err, .events = POLLIN};
        bool is_late = now >= kill_usec;

        if (is_late)
            signal_child(program->pid, SIGKILL);
        program_poll(&err, 1, is_late ? now + LOOK_USEC : kill_usec);
        program_log(program, session);
        now = base_now_usec();
    }
}

// What lives on is no child of a worker that has exited.
static void let_go(struct program *program, const struct program *other)
{
    struct remains remains = {.n_told = 0};

    if (has_left_nothing(program, other))
        return;
    while (look(program, other, &remains))
        if (remains.left.n > 0 || !program->ended) {
            if (process_leave_reason() == WORKER_EXIT_DRAINED)
                process_leave(WORKER_EXIT_RETIRED);
            return;
        }
}

void program_tell(const struct program *program)
{
    if (program->pid > 0)
        signal_child(program->pid, SIGTERM);
}

void program_end(struct program *program, const struct program *other,
                 const struct tcpd_session *session)
{
    enum kill_mode mode = program->options->kill_mode;
    bool is_clean = false;

    if (program->group == 0)
        return; // it was never started
    if (mode == KILL_GROUP)
        is_clean = end_group(program, other, session);
    else if (mode == KILL_PROGRAM || !session)
        end_alone(program, session);
    program_close_log(program, session, is_clean);
    if (mode != KILL_GROUP)
        let_go(program, other);
}
