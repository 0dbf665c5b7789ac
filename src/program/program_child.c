// SPDX-License-Identifier: MIT
// What a program gets of ours: its three descriptors, its environment, and nothing else (B44). In
// the order of privileges: what may need root first, then the user, then what the user must be able
// to do.

#include "program/program_child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/base.h"

#define FIRST_FREE 4 // above the highest number that a program gets

// A handler of ours would run in the worker's memory, and ignored signals stay ignored by exec.
static void reset_signals(void)
{
    static const int changed[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGUSR1, SIGTTIN, SIGTTOU,
                                  SIGPIPE, SIGXFSZ, SIGTERM, SIGCHLD, SIGALRM};

    for (size_t i = 0; i < ELEMENTS(changed); i++)
        (void)signal(changed[i], SIG_DFL); // known signals, so it cannot fail
}

// Gives fd a number that no other one has to make room for.
static int move_up(int *fd)
{
    int moved;

    if (*fd < 0 || *fd >= FIRST_FREE)
        return 0;
    moved = fcntl(*fd, F_DUPFD_CLOEXEC, FIRST_FREE);
    *fd = moved;
    return moved;
}

static int place(int fd, int number)
{
    return dup2(fd, number) < 0 ? -errno : 0;
}

static int set_files(struct program_child *child)
{
    int in = child->in, out = child->out, err = child->err, listener = child->listener;

    if (move_up(&in) < 0 || move_up(&out) < 0 || move_up(&err) < 0 || move_up(&listener) < 0)
        return -errno;
    if (place(in, STDIN_FILENO) < 0 || place(out, STDOUT_FILENO) < 0 ||
        place(err, STDERR_FILENO) < 0 || (listener >= 0 && place(listener, 3) < 0))
        return -errno;
    // Not closed yet: should exec fail, there is something to say.
    return close_range(listener >= 0 ? 4 : 3, ~0U, CLOSE_RANGE_CLOEXEC) < 0 ? -errno : 0;
}

static int set_limit(__rlimit_resource_t resource, int64_t value)
{
    struct rlimit limit = {(rlim_t)value, (rlim_t)value};

    return value != INHERIT && setrlimit(resource, &limit) < 0 ? -errno : 0;
}

static int set_cpu_limit(uint64_t usec)
{
    return usec > 0 ? set_limit(RLIMIT_CPU, (int64_t)((usec + USEC_PER_SEC - 1) / USEC_PER_SEC))
                    : 0;
}

static int set_nice(int64_t nice)
{
    return nice != INHERIT && setpriority(PRIO_PROCESS, 0, (int)nice) < 0 ? -errno : 0;
}

// The system calls themselves: libc's would tell the threads that it thinks it shares memory with.
static int set_user(const struct identity *identity)
{
    int dumpable = prctl(PR_GET_DUMPABLE); // the worker's, whose memory this is

    if (!identity->changes)
        return 0;
    if (syscall(SYS_setgroups, identity->n_groups, identity->groups) < 0 ||
        syscall(SYS_setresgid, identity->gid, identity->gid, identity->gid) < 0 ||
        syscall(SYS_setresuid, identity->uid, identity->uid, identity->uid) < 0)
        return -errno;
    return prctl(PR_SET_DUMPABLE, dumpable) < 0 ? -errno : 0; // the kernel has set it anew
}

static int set_session(const struct program_child *child)
{
    // After the user, whose change takes it back.
    if (prctl(PR_SET_PDEATHSIG, child->death_signal) < 0)
        return -errno;
    if (getppid() != child->parent)
        return -ESRCH;                                  // it has died before
    return setsid() < 0 && errno != EPERM ? -errno : 0; // EPERM: it leads one
}

// The step that fails stays in child->step.
static int prepare(struct program_child *child)
{
    const struct program_options *options = child->options;
    int r;

#define STEP(what, call)    \
    do {                    \
        child->step = what; \
        r = (call);         \
        if (r < 0)          \
            return r;       \
    } while (0)
    STEP("descriptors", set_files(child));
    STEP("limit_nofile", set_limit(RLIMIT_NOFILE, options->limit_nofile));
    STEP("limit_as", set_limit(RLIMIT_AS, options->limit_as));
    STEP("limit_core", set_limit(RLIMIT_CORE, options->limit_core));
    STEP("limit_nproc", set_limit(RLIMIT_NPROC, options->limit_nproc));
    STEP("limit_cpu", set_cpu_limit(options->limit_cpu_usec));
    STEP("nice", set_nice(options->nice));
    STEP("user", set_user(&options->identity));
    STEP("session", set_session(child));
    STEP("working_directory", options->directory && chdir(options->directory) < 0 ? -errno : 0);
#undef STEP
    if (options->umask != INHERIT)
        (void)umask((mode_t)options->umask); // cannot fail
    child->step = NULL;
    return 0;
}

int program_child_become(struct program_child *child)
{
    sigset_t none;
    int r;

    reset_signals();
    r = prepare(child);
    if (r < 0)
        return r;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)execve(program_file(child->options), program_arguments(child->options),
                 child->environment);
    return -errno;
}

static _Noreturn void run(struct program_child *child)
{
    child->error = -program_child_become(child);
    _exit(127);
}

pid_t program_child_start(struct program_child *child)
{
    sigset_t all, before;
    pid_t pid;
    int error;

    child->parent = getpid();
    child->error = 0;
    child->step = NULL;
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, &before);
    pid =
        vfork(); // NOLINT(clang-analyzer-security.insecureAPI.vfork): the child becomes it at once
    if (pid == 0)
        run(child); // NOLINT(clang-analyzer-unix.Vfork): so it says
    error = pid < 0 ? errno : child->error;
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    if (pid > 0 && error != 0)
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
    return error != 0 ? -error : pid;
}
