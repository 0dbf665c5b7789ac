// SPDX-License-Identifier: MIT
// Makes the system call that the client's line names, "kill 1 0", and answers with its errno, or
// 0. Arguments are numbers, or `listener`, `self` and `parent`. Any other line is sent back.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <tcpd/handler.h>

#define CALL(name)        \
    {                     \
#name, SYS_##name \
    }

static const struct {
    const char *name;
    long number;
} calls[] = {
    CALL(bind),           CALL(bpf),        CALL(clone),
    CALL(clone3),         CALL(connect),    CALL(dup),
    CALL(execve),         CALL(fcntl),      CALL(getpid),
    CALL(io_uring_setup), CALL(ioctl),      CALL(keyctl),
    CALL(kill),           CALL(listen),     CALL(mount),
    CALL(mremap),         CALL(pidfd_open), CALL(process_vm_readv),
    CALL(prlimit64),      CALL(ptrace),     CALL(rt_sigaction),
    CALL(setsockopt),     CALL(shutdown),   CALL(socket),
    CALL(tgkill),         CALL(unshare),    CALL(userfaultfd),
    CALL(personality),
};

// The socket that it is served from.
static int find_listener(void)
{
    for (int fd = 3; fd < 64; fd++) {
        int accepts = 0;
        socklen_t size = sizeof(accepts);

        if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &size) == 0 && accepts)
            return fd;
    }
    return -1;
}

static long argument(const char *word)
{
    if (!word)
        return 0;
    if (strcmp(word, "listener") == 0)
        return find_listener();
    if (strcmp(word, "self") == 0)
        return getpid();
    return strcmp(word, "parent") == 0 ? getppid() : strtol(word, NULL, 0);
}

static long make(long number, char **rest)
{
    long arguments[4];

    for (int i = 0; i < 4; i++)
        arguments[i] = argument(strtok_r(NULL, " ", rest));
    return syscall(number, arguments[0], arguments[1], arguments[2], arguments[3], 0L, 0L);
}

static void serve(struct tcpd_session *session)
{
    char line[256], answer[sizeof(line) + 1], *given, *rest = NULL;
    const char *name;
    ssize_t n = tcpd_read_line(session, &given);

    if (n <= 0 || (size_t)n >= sizeof(line))
        return;
    memcpy(line, given, (size_t)n);
    line[n] = '\0';
    line[strcspn(line, "\r\n")] = '\0';
    (void)snprintf(answer, sizeof(answer), "%s\n", line);
    name = strtok_r(line, " ", &rest);
    for (size_t i = 0; name && i < sizeof(calls) / sizeof(calls[0]); i++)
        if (strcmp(name, calls[i].name) == 0)
            (void)snprintf(answer, sizeof(answer), "%d\n",
                           make(calls[i].number, &rest) < 0 ? errno : 0);
    (void)tcpd_write(session, answer, strlen(answer));
}

const struct tcpd_handler tcpd_handler = {.abi = TCPD_HANDLER_ABI, .serve = serve};
