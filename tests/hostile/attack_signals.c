// SPDX-License-Identifier: MIT
// Signals: each way to send one that the kernel has, to the master, to others' workers, to all.

#include "hostile.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MANY 20000

static void signal_master(const struct target *target, int number)
{
    tell(target, "kill", kill(target->master, number));
}

static void signal_victim(const struct target *target, int number)
{
    tell(target, "kill", kill(target->victim, number));
}

static void signal_master_often(const struct target *target, int number)
{
    int r = 0;

    for (int i = 0; r == 0 && i < MANY; i++)
        r = kill(target->master, number);
    tell(target, "kill", r);
}

static void signal_group(const struct target *target, int number)
{
    tell(target, "kill", kill(0, number));
}

// All of the same user; of root all there are.
static void signal_all(const struct target *target, int number)
{
    tell(target, "kill", kill(-1, number));
}

static void signal_thread(const struct target *target, int number)
{
    tell(target, "tgkill", syscall(SYS_tgkill, target->master, target->master, number));
}

static void signal_pidfd(const struct target *target, int number)
{
    int pidfd = (int)syscall(SYS_pidfd_open, target->master, 0);

    tell(target, "pidfd_send_signal", syscall(SYS_pidfd_send_signal, pidfd, number, NULL, 0));
}

// In somebody else's name: the kernel believes the sender of a queued signal.
static void signal_forged(const struct target *target, int number)
{
    siginfo_t info;

    memset(&info, 0, sizeof(info));
    info.si_signo = number;
    info.si_code = SI_QUEUE;
    info.si_pid = 1;
    info.si_uid = 0;
    tell(target, "rt_sigqueueinfo", syscall(SYS_rt_sigqueueinfo, target->master, number, &info));
}

// Without kill(): the kernel sends it, for a socket whose owner is somebody else.
static void signal_by_socket(const struct target *target, pid_t pid)
{
    int pair[2] = {-1, -1};

    (void)socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
    tell(target, "F_SETOWN", fcntl(pair[0], F_SETOWN, pid));
    (void)fcntl(pair[0], F_SETSIG, SIGKILL);
    (void)fcntl(pair[0], F_SETFL, O_ASYNC);
    tell(target, "write", write(pair[1], "x", 1));
    (void)close(pair[0]);
    (void)close(pair[1]);
}

static void own_by_master(const struct target *target, int what)
{
    (void)what;
    signal_by_socket(target, target->master);
}

static void own_by_victim(const struct target *target, int what)
{
    (void)what;
    signal_by_socket(target, target->victim);
}

static void ignore(const struct target *target, int number)
{
    tell(target, "signal", signal(number, SIG_IGN) == SIG_ERR ? -1 : 0);
}

// After its answer, which the client waits for.
static void stop_self(const struct target *target, int what)
{
    (void)what;
    tell(target, "stops", 0);
    (void)raise(SIGSTOP);
}

const struct attack attacks_by_signals[] = {
    {"term-master", signal_master, SIGTERM},
    {"int-master", signal_master, SIGINT},
    {"hup-master", signal_master, SIGHUP},
    {"kill-master", signal_master, SIGKILL},
    {"stop-master", signal_master, SIGSTOP},
    {"abort-master", signal_master, SIGABRT},
    {"usr1-often", signal_master_often, SIGUSR1},
    {"ttin-often", signal_master_often, SIGTTIN},
    {"ttou-often", signal_master_often, SIGTTOU},
    {"chld-often", signal_master_often, SIGCHLD},
    {"tgkill-master", signal_thread, SIGTERM},
    {"pidfd-master", signal_pidfd, SIGTERM},
    {"forged-master", signal_forged, SIGTERM},
    {"sigio-master", own_by_master, 0},
    {"sigio-victim", own_by_victim, 0},
    {"kill-victim", signal_victim, SIGKILL},
    {"stop-victim", signal_victim, SIGSTOP},
    {"term-victim", signal_victim, SIGTERM},
    {"alrm-victim", signal_victim, SIGALRM},
    {"kill-group", signal_group, SIGKILL},
    {"kill-all", signal_all, SIGKILL},
    {"ignore-term", ignore, SIGTERM},
    {"stop-self", stop_self, 0},
    {NULL, NULL, 0},
};
