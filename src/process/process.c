// SPDX-License-Identifier: MIT
// The signals of a worker. Nothing is lost at TERM: the handler puts a dead socket over the
// listener's number, so accept() either returned a connection, which is served, or fails at once.

#include "process/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/base.h"

// What the TERM handler needs.
static volatile sig_atomic_t stopping, the_listener, the_dead_socket, the_master, orphan_sec;
static volatile sig_atomic_t idle_ms;      // what TERM came with, 0: nothing
static volatile sig_atomic_t is_orphan;    // and orphan_sec is set
static struct reserve *volatile parked_in; // NULL: not parked

static enum worker_exit leave_reason;

// Async-signal-safe: dup3(2), getppid(2), alarm(2) and atomic operations are.
static void on_term(int signal, siginfo_t *info, void *context)
{
    int saved_errno = errno;
    int ms = info->si_code == SI_QUEUE ? info->si_value.sival_int : 0;

    (void)signal;
    (void)context;
    if (ms != 0)
        idle_ms = ms > 0 ? ms : -ms;
    if (ms < 0)
        return; // it is to serve those in the queue first
    stopping = 1;
    (void)dup3(the_dead_socket, the_listener, O_CLOEXEC); // both are open, so it cannot fail
    if (parked_in)
        reserve_interrupt(parked_in);
    if (getppid() != the_master) {
        is_orphan = 1;
        (void)alarm((unsigned)orphan_sec); // nobody else is left to end a session that hangs
    }
    errno = saved_errno;
}

static void sort(int *fds, size_t n)
{
    for (size_t i = 1; i < n; i++)
        for (size_t j = i; j > 0 && fds[j] < fds[j - 1]; j--) {
            int fd = fds[j];

            fds[j] = fds[j - 1];
            fds[j - 1] = fd;
        }
}

int process_close_all_but(int *keep, size_t n)
{
    unsigned next = 3;

    sort(keep, n);
    for (size_t i = 0; i < n; i++) {
        if (keep[i] < (int)next)
            continue;
        if ((unsigned)keep[i] > next && close_range(next, (unsigned)keep[i] - 1, 0) < 0)
            return -errno;
        next = (unsigned)keep[i] + 1;
    }
    return close_range(next, ~0U, 0) < 0 ? -errno : 0;
}

int process_open_dead_socket(void)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return -1;
    (void)close(ends[1]);
    return ends[0];
}

int process_catch_signals(const struct process_duty *duty)
{
    static const int ignored[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGUSR1,
                                  SIGTTIN, SIGTTOU, SIGPIPE, SIGXFSZ};
    struct sigaction term = {.sa_sigaction = on_term, .sa_flags = SA_RESTART | SA_SIGINFO};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigset_t none;

    the_listener = duty->listener;
    the_dead_socket = duty->dead_socket;
    the_master = duty->master;
    orphan_sec = (sig_atomic_t)duty->orphan_sec;
    for (size_t i = 0; i < ELEMENTS(ignored); i++)
        if (sigaction(ignored[i], &ignore, NULL) < 0)
            return -errno;
    (void)sigfillset(&term.sa_mask);
    (void)sigemptyset(&none);
    if (sigaction(SIGTERM, &term, NULL) < 0 || sigprocmask(SIG_SETMASK, &none, NULL) < 0)
        return -errno;
    return 0;
}

bool process_stopping(void)
{
    return stopping;
}

uint64_t process_idle_usec(void)
{
    return idle_ms > 0 ? (uint64_t)idle_ms * USEC_PER_MSEC : 0;
}

int process_wait_in_reserve(struct reserve *reserve)
{
    int r;

    parked_in = reserve;
    r = reserve_wait(reserve, &stopping);
    parked_in = NULL;
    return r;
}

void process_leave(enum worker_exit reason)
{
    leave_reason = reason;
}

enum worker_exit process_leave_reason(void)
{
    return leave_reason;
}

void process_alarm(unsigned sec)
{
    (void)alarm(sec);
    if (is_orphan)
        (void)alarm((unsigned)orphan_sec); // the handler may have come between
}

bool process_is_orphan(void)
{
    return is_orphan;
}

const char *worker_exit_name(int status)
{
    static const char *const names[] = {
        [WORKER_EXIT_DRAINED] = "drained",
        [WORKER_EXIT_RETIRED] = "retired",
        [WORKER_EXIT_LISTENER_LOST] = "listener lost",
        [WORKER_EXIT_OUT_OF_FILES] = "out of files",
        [WORKER_EXIT_SETUP_FAILED] = "set-up failed",
        [WORKER_EXIT_ORPHANED] = "orphaned",
        [WORKER_EXIT_PROGRAM] = "its program does not run",
        [WORKER_EXIT_MODULE_EXITED] = "the module called exit()",
    };
    bool known = status >= 0 && (size_t)status < ELEMENTS(names) && names[status];

    return known ? names[status] : "unknown";
}
