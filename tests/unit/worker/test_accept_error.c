// SPDX-License-Identifier: MIT
// accept_error.c: what each errno of accept() leads to, how long it pauses, that a
// listener that does not block is waited at and left as it is (B1), and that only a bug of ours
// aborts.

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "unit.h"
#include "worker/accept_error.h"

static const struct {
    int error;
    unsigned n_before; // failures in a row before this one
    enum accept_action want;
    uint64_t at_least_ms, at_most_ms;
    bool logs;
} rows[] = {
    {EINTR, 0, ACCEPT_RETRY, 0, 0, false},
    {ECONNABORTED, 0, ACCEPT_RETRY, 0, 0, false},
    {EPROTO, 0, ACCEPT_RETRY, 0, 0, false},
    {ENETDOWN, 0, ACCEPT_RETRY, 0, 0, false},
    {ENOPROTOOPT, 0, ACCEPT_RETRY, 0, 0, false},
    {EHOSTDOWN, 0, ACCEPT_RETRY, 0, 0, false},
    {ENONET, 0, ACCEPT_RETRY, 0, 0, false},
    {EHOSTUNREACH, 0, ACCEPT_RETRY, 0, 0, false},
    {EOPNOTSUPP, 0, ACCEPT_RETRY, 0, 0, false},
    {ENETUNREACH, 0, ACCEPT_RETRY, 0, 0, false},
    {ETIMEDOUT, 0, ACCEPT_RETRY, 0, 0, false},
    {ECONNRESET, 0, ACCEPT_RETRY, 0, 0, false},
    {ENOSR, 0, ACCEPT_RETRY, 0, 0, false},
    {ESOCKTNOSUPPORT, 0, ACCEPT_RETRY, 0, 0, false},
    {EPROTONOSUPPORT, 0, ACCEPT_RETRY, 0, 0, false},
    {ENOSYS, 0, ACCEPT_RETRY, 0, 0, false},
    {4095, 0, ACCEPT_RETRY, 0, 0, false}, // of a later kernel
    {ECONNABORTED, 99, ACCEPT_RETRY, 0, 0, false},
    {ECONNABORTED, 100, ACCEPT_RETRY, 10, 10, false},
    {EINTR, UINT32_MAX, ACCEPT_RETRY, 10, 10, false},
    {ENFILE, 0, ACCEPT_RETRY, 100, 125, true},
    {ENOBUFS, 0, ACCEPT_RETRY, 100, 125, true},
    {ENOMEM, 0, ACCEPT_RETRY, 100, 125, true},
    {ENOMEM, 1, ACCEPT_RETRY, 200, 250, true},
    {ENOMEM, 2, ACCEPT_RETRY, 400, 500, true},
    {ENOMEM, 3, ACCEPT_RETRY, 800, 1000, true},
    {ENOMEM, 1000, ACCEPT_RETRY, 800, 1000, true},
    {EPERM, 0, ACCEPT_RETRY, 100, 100, true},
    {EACCES, 0, ACCEPT_RETRY, 100, 100, true},
    {EPERM, 1000, ACCEPT_RETRY, 100, 100, true},
    {EMFILE, 0, ACCEPT_OUT_OF_FILES, 0, 0, true},
    {EINVAL, 0, ACCEPT_LISTENER_DEAD, 0, 0, false},
};

static void test_classes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct accept_backoff backoff = {.n_failures = rows[i].n_before};
        uint64_t start;
        char row[64];

        (void)snprintf(row, sizeof(row), "%s after %u", strerror(rows[i].error), rows[i].n_before);
        start = base_now_usec();
        check_number(row, accept_error_handle(&backoff, -1, rows[i].error), rows[i].want);
        check_elapsed(row, start, rows[i].at_least_ms, rows[i].at_most_ms + LOOSE_MS);
        check_number(row, backoff.n_failures,
                     rows[i].n_before < UINT32_MAX ? rows[i].n_before + 1 : UINT32_MAX);
        check_number(row, backoff.logged_usec != 0, rows[i].logs);
    }
}

static void test_logs_seldom(void **state)
{
    const uint64_t now = base_now_usec(), recent = now - 50 * USEC_PER_SEC;
    struct accept_backoff backoff = {.logged_usec = recent};

    (void)state;
    if (now < 120 * USEC_PER_SEC)
        skip(); // the machine has just started
    (void)accept_error_handle(&backoff, -1, EMFILE);
    check_number("50 s after the last record", backoff.logged_usec, recent);
    backoff.logged_usec = now - 61 * USEC_PER_SEC;
    (void)accept_error_handle(&backoff, -1, EMFILE);
    check_true("61 s after the last record", backoff.logged_usec >= now);
}

static void on_alarm(int number)
{
    (void)number;
}

// Somebody may count on it: it waits for a client, and leaves the flags as they are.
static void test_nonblocking(void **state)
{
    struct sockaddr_un any = {.sun_family = AF_UNIX}; // a name that the kernel chooses
    socklen_t length = sizeof(any);
    cleanup_close int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    cleanup_close int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct accept_backoff backoff = {0};
    int flags = fcntl(listener, F_GETFL);
    struct itimerval soon = {.it_value.tv_usec = 20000};
    uint64_t start = base_now_usec();

    (void)state;
    check_true("it is set", (flags & O_NONBLOCK) != 0);
    check_number("bind", bind(listener, (struct sockaddr *)&any, sizeof(sa_family_t)), 0);
    check_number("listen", listen(listener, 1), 0);
    check_number("its name", getsockname(listener, (struct sockaddr *)&any, &length), 0);
    (void)signal(SIGALRM, on_alarm);
    check_number("timer", setitimer(ITIMER_REAL, &soon, NULL), 0);
    check_number("EAGAIN", accept_error_handle(&backoff, listener, EAGAIN), ACCEPT_RETRY);
    check_elapsed("until a signal", start, 20, LOOSE_MS);
    check_number("connect", connect(client, (struct sockaddr *)&any, length), 0);
    check_number("a client", accept_error_handle(&backoff, listener, EAGAIN), ACCEPT_RETRY);
    check_number("as it was", fcntl(listener, F_GETFL), flags);
    (void)signal(SIGALRM, SIG_DFL);
}

static void test_signal_ends_pause(void **state)
{
    static const int errors[] = {ENOMEM, EPERM};
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART}, old;
    struct itimerval soon = {.it_value.tv_usec = 20000};

    (void)state;
    check_number("sigaction", sigaction(SIGALRM, &action, &old), 0);
    for (size_t i = 0; i < ELEMENTS(errors); i++) {
        struct accept_backoff backoff = {.n_failures = 1000};
        uint64_t start = base_now_usec();
        uint64_t pause_ms = errors[i] == ENOMEM ? 790 : 95;

        check_number("timer", setitimer(ITIMER_REAL, &soon, NULL), 0);
        (void)accept_error_handle(&backoff, -1, errors[i]);
        check_elapsed(strerror(errors[i]), start, 20, pause_ms);
    }
    check_number("sigaction", sigaction(SIGALRM, &old, NULL), 0);
}

// In children without core files.
static void test_bugs_abort(void **state)
{
    static const int bugs[] = {EBADF, ENOTSOCK, EFAULT};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(bugs); i++) {
        struct accept_backoff backoff = {0};
        int status = 0;
        pid_t pid = fork();

        if (pid == 0) {
            (void)setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
            (void)signal(SIGABRT, SIG_DFL);
            (void)accept_error_handle(&backoff, -1, bugs[i]);
            _exit(0);
        }
        check_number(strerror(bugs[i]), waitpid(pid, &status, 0), pid);
        check_true(strerror(bugs[i]), WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classes),     cmocka_unit_test(test_logs_seldom),
        cmocka_unit_test(test_nonblocking), cmocka_unit_test(test_signal_ends_pause),
        cmocka_unit_test(test_bugs_abort),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
