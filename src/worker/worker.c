// SPDX-License-Identifier: MIT
// The child's side. tcpd forks without exec, so the set-up list here must be complete: whatever the
// master has and a worker must not is given up in worker_setup(), and a test compares the result
// with /proc. The accept loop loses nothing at TERM: the handler puts a dead socket over the
// listener's number, and accept() either returned a connection, which is served, or fails at once.

#include "worker/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>

#include "base/base.h"
#include "board/scoreboard.h"
#include "handlers/handler.h"
#include "log/log.h"
#include "process/title.h"
#include "program/program_listener.h"
#include "session/session.h"
#include "session/session_log.h"
#include "worker/accept_error.h"

// What the TERM handler needs.
static volatile sig_atomic_t stopping, the_listener, the_dead_socket, the_master, orphan_sec;
static volatile sig_atomic_t is_orphan;    // and orphan_sec is set
static struct reserve *volatile parked_in; // NULL: not parked

static enum worker_exit leave_reason; // DRAINED: none to leave

struct process {
    const struct worker_setup *setup;
    const struct tcpd_handler *face;
    struct score_page *page;
    struct pool_hint *hint;
    struct accept_backoff backoff;
    unsigned sessions_left; // 0: no limit
    bool waiting;           // counted in hint->reserve
    bool announced;         // the master knows that it has come to accept()
};

void worker_leave(enum worker_exit reason)
{
    leave_reason = reason;
}

bool tcpd_stopping(void)
{
    session_sign();
    return stopping;
}

void worker_alarm(unsigned sec)
{
    (void)alarm(sec);
    if (is_orphan)
        (void)alarm((unsigned)orphan_sec); // the handler may have come between
}

bool worker_is_orphan(void)
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

// Async-signal-safe: dup3(2), getppid(2), alarm(2) and atomic operations are.
static void on_term(int signal)
{
    int saved_errno = errno;

    (void)signal;
    stopping = 1;
    (void)dup3(the_dead_socket, the_listener, O_CLOEXEC); // both are open, so it cannot fail
    if (parked_in)
        reserve_interrupt(parked_in);
    if (getppid() != the_master && orphan_sec > 0) {
        is_orphan = 1;
        (void)alarm((unsigned)orphan_sec); // nobody else is left to end a session that hangs
    }
    errno = saved_errno;
}

// Few, so by insertion; qsort() would cost each worker a page of stack.
static void sort(int *fds, size_t n)
{
    for (size_t i = 1; i < n; i++)
        for (size_t j = i; j > 0 && fds[j] < fds[j - 1]; j--) {
            int fd = fds[j];

            fds[j] = fds[j - 1];
            fds[j - 1] = fd;
        }
}

// Closes every descriptor above 2 but those kept: the event loop's, other listeners, control.
static void close_masters(const struct worker_setup *setup)
{
    int keep[] = {setup->listener, setup->dead_socket, setup->scoreboard, setup->wake,
                  log_journal_fd()};
    unsigned next = 3;

    sort(keep, ELEMENTS(keep));
    for (size_t i = 0; i < ELEMENTS(keep); i++) {
        if (keep[i] < (int)next)
            continue;
        if ((unsigned)keep[i] > next)
            (void)close_range(next, (unsigned)keep[i] - 1, 0);
        next = (unsigned)keep[i] + 1;
    }
    (void)close_range(next, ~0U, 0);
}

static int set_signals(void)
{
    static const int ignored[] = {SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGTTIN, SIGTTOU, SIGPIPE};
    struct sigaction term = {.sa_handler = on_term, .sa_flags = SA_RESTART};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigset_t none;

    for (size_t i = 0; i < ELEMENTS(ignored); i++)
        if (sigaction(ignored[i], &ignore, NULL) < 0)
            return -errno;
    (void)sigfillset(&term.sa_mask);
    (void)sigemptyset(&none);
    if (sigaction(SIGTERM, &term, NULL) < 0 || sigprocmask(SIG_SETMASK, &none, NULL) < 0)
        return -errno;
    return 0;
}

// Gives the random part of a limit, so that workers started together do not retire together.
static unsigned with_jitter(unsigned limit)
{
    return limit > 8 ? limit - arc4random_uniform(limit / 8 + 1) : limit;
}

static int worker_setup(struct process *process)
{
    const struct worker_setup *setup = process->setup;
    uint64_t stop_sec = (setup->config->stop_timeout_usec + USEC_PER_SEC - 1) / USEC_PER_SEC;
    int r;

    if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0)
        return -errno;
    if (getppid() != setup->master_pid)
        _exit(WORKER_EXIT_ORPHANED); // it died before PDEATHSIG was set
    close_masters(setup);
    r = scoreboard_join(setup->scoreboard, setup->slot, setup->pool, &process->page,
                        &process->hint);
    if (r < 0)
        return r;
    (void)close(setup->scoreboard);
    title_set(setup->title);
    process->sessions_left = with_jitter(setup->service->max_sessions_per_worker);
    the_listener = setup->listener;
    the_dead_socket = setup->dead_socket;
    the_master = setup->master_pid;
    orphan_sec = stop_sec < INT_MAX ? (int)stop_sec : INT_MAX; // 0: no limit, as configured
    return set_signals();
}

static void wake_master(const struct process *process)
{
    (void)eventfd_write(process->setup->wake, 1); // a full counter wakes it just the same
}

// True when it was called, and is counted among those in accept().
static bool wait_in_reserve(const struct process *process)
{
    int r;

    session_log_flush(&process->hint->quota, -1); // it may be hours
    parked_in = &process->hint->reserve;
    r = reserve_wait(parked_in, &stopping);
    parked_in = NULL;
    if (r == 0)
        score_idle(process->page, WORKER_IDLE, base_now_usec());
    return r == 0;
}

// Makes the worker one of the idle ones; blocks while it is not needed in accept().
static void enter_idle(struct process *process)
{
    bool joined;

    if (process->waiting)
        return;
    joined = reserve_join(&process->hint->reserve);
    score_idle(process->page, joined ? WORKER_IDLE : WORKER_PARKED, base_now_usec());
    if (!process->announced)
        wake_master(process); // it may be waiting for its pools to be ready
    process->announced = true;
    process->waiting = joined || wait_in_reserve(process);
}

static void enter_busy(struct process *process, const struct tcpd_session *session)
{
    struct pool_hint *hint = process->hint;
    int32_t idle = reserve_leave(&hint->reserve);

    process->waiting = false;
    score_busy(process->page, session->started_usec, &session->peer.any);
    if (idle < atomic_load_explicit(&hint->spare, memory_order_relaxed) &&
        atomic_load_explicit(&hint->armed, memory_order_relaxed) != 0 &&
        atomic_exchange_explicit(&hint->armed, 0, memory_order_relaxed) != 0)
        wake_master(process);
}

static void serve(struct process *process, struct tcpd_session *session, int fd)
{
    const struct worker_setup *setup = process->setup;
    struct log_quota *quota = &process->hint->quota;

    session_init(session, fd, setup->service);
    enter_busy(process, session);
    session_log_opened(session, setup->config, quota);
    process->face->serve(session);
    session_log_closed(session, setup->config, quota);
    session_close(session);
    session_log_flush(quota, setup->listener);
    score_done(process->page);
}

// One accept() that failed. True: the worker leaves with *ret_exit.
static bool leave_after_error(struct process *process, int error, enum worker_exit *ret_exit)
{
    switch (accept_error_handle(&process->backoff, process->setup->listener, error)) {
    case ACCEPT_RETRY:
        return false;
    case ACCEPT_OUT_OF_FILES:
        *ret_exit = WORKER_EXIT_OUT_OF_FILES;
        return true;
    case ACCEPT_LISTENER_DEAD:
        *ret_exit = stopping ? WORKER_EXIT_DRAINED : WORKER_EXIT_LISTENER_LOST;
        return true;
    }
    return true;
}

static enum worker_exit accept_loop(struct process *process)
{
    struct tcpd_session session = {.fd = -1};
    enum worker_exit reason = WORKER_EXIT_DRAINED;

    for (;;) {
        int fd;

        enter_idle(process);
        session.peer_length = sizeof(session.peer);
        session.peer.any.sa_family = AF_UNSPEC;
        fd = accept4(process->setup->listener, &session.peer.any, &session.peer_length,
                     SOCK_CLOEXEC);
        if (fd < 0) {
            if (leave_after_error(process, errno, &reason))
                return reason;
            continue;
        }
        if (session.peer_length > sizeof(session.peer))
            session.peer_length = sizeof(session.peer); // the kernel cut it
        process->backoff = (struct accept_backoff){0};
        serve(process, &session, fd);
        if (leave_reason != WORKER_EXIT_DRAINED)
            return leave_reason;
        if (process->sessions_left > 0 && --process->sessions_left == 0)
            return WORKER_EXIT_RETIRED;
    }
}

// Whether it has sessions, nobody knows; so it is busy from now on.
static _Noreturn void become_listener(const struct process *process,
                                      const struct tcpd_worker *worker)
{
    score_busy(process->page, base_now_usec(), &(struct sockaddr){.sa_family = AF_UNSPEC});
    wake_master(process);
    program_become_listener(worker);
    score_idle(process->page, WORKER_STARTING, base_now_usec());
    _exit(stopping ? WORKER_EXIT_DRAINED : WORKER_EXIT_PROGRAM);
}

// The one door out, of a worker that has its page.
static _Noreturn void leave(const struct process *process, enum worker_exit reason)
{
    score_idle(process->page, WORKER_LEAVING, base_now_usec());
    _exit(reason);
}

void worker_run(const struct worker_setup *setup)
{
    struct process process = {.setup = setup, .face = &setup->service->handler->face};
    struct tcpd_worker worker = {
        .service = setup->service, .config = setup->config, .listener = setup->listener};
    enum worker_exit reason;
    int r = worker_setup(&process);

    if (r < 0) {
        log_error("%s cannot be set up: %s", setup->title, strerror(-r));
        _exit(WORKER_EXIT_SETUP_FAILED);
    }
    if (program_is_listener(setup->service))
        become_listener(&process, &worker);
    if (handler_open(&worker) < 0)
        leave(&process, WORKER_EXIT_SETUP_FAILED);
    reason = accept_loop(&process);
    if (process.face->close)
        process.face->close();
    session_log_flush(&process.hint->quota, -1);
    if (process.waiting)
        (void)reserve_leave(&process.hint->reserve);
    leave(&process, reason);
}
