// SPDX-License-Identifier: MIT
// The signal is sent to the thread that serves, so that between the handler's look and what it does
// no socket can be closed and its number be another session's. What it does to the socket counts
// for all who have it: a program as well.

#include "session/session_kick.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "base/base.h"

// What the handler needs. serving_fd is set last and cleared first.
static volatile sig_atomic_t serving_fd = -1, serving_number;
static volatile sig_atomic_t has_come, resets;

// Async-signal-safe, as connect(2) and shutdown(2) are. A socket of another kind than TCP is none
// that could be reset.
static void cut(int fd, bool by_reset)
{
    static const struct sockaddr nobody = {.sa_family = AF_UNSPEC};

    if (!by_reset || connect(fd, &nobody, sizeof(nobody)) < 0)
        (void)shutdown(fd, SHUT_RDWR);
}

static void on_kick(int signal, siginfo_t *info, void *context)
{
    int saved_errno = errno;
    uint32_t value = (uint32_t)info->si_value.sival_int;
    int how = (int)(value >> 30), fd = serving_fd;

    (void)signal;
    (void)context;
    if (info->si_code == SI_QUEUE && fd >= 0 && (int)(value % KICK_NUMBERS) == serving_number) {
        if (how == KICK_KILL)
            (void)raise(SIGKILL);
        resets = how == KICK_RESET;
        has_come = 1;
        cut(fd, resets);
    }
    errno = saved_errno;
}

int session_kick_open(void)
{
    struct sigaction action = {.sa_sigaction = on_kick, .sa_flags = SA_RESTART | SA_SIGINFO};

    (void)sigfillset(&action.sa_mask);
    return sigaction(SIGRTMIN, &action, NULL) < 0 ? -errno : 0;
}

void session_kick_begin(int fd, uint64_t number)
{
    serving_number = (sig_atomic_t)(number % KICK_NUMBERS);
    atomic_signal_fence(memory_order_seq_cst);
    serving_fd = fd;
}

void session_kick_end(void)
{
    serving_fd = -1;
    atomic_signal_fence(memory_order_seq_cst);
}

void session_kick_forget(void)
{
    session_kick_end();
    has_come = resets = 0;
}

bool session_kick_has_come(void)
{
    return has_come != 0;
}

bool session_kick_resets(void)
{
    return resets != 0;
}
