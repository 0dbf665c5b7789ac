// SPDX-License-Identifier: MIT
// Writes its life into the file that the option `file` names: a line for each callback, with what
// the process has open by then. Answers each line of a client.

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <tcpd/handler.h>

static const char *path;

static int count_fds(void)
{
    DIR *directory = opendir("/proc/self/fd");
    int n = 0;

    while (directory && readdir(directory))
        n++;
    if (directory)
        (void)closedir(directory);
    return n - 3; // ".", ".." and the directory's own
}

static void note(const char *what)
{
    char line[200];
    int length = snprintf(line, sizeof(line), "%d %s %d\n", getpid(), what, count_fds());
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0 || write(fd, line, (size_t)length) != length)
        tcpd_log(NULL, LOG_ERR, "cannot write %s", path);
    if (fd >= 0)
        (void)close(fd);
}

static int open_worker(const struct tcpd_worker *worker)
{
    const char *option;

    path = tcpd_option(worker, "file");
    if (!path) {
        tcpd_log(NULL, LOG_ERR, "no option file=PATH of service %s", tcpd_service(worker));
        return -1;
    }
    note("open");
    for (size_t i = 0; (option = tcpd_option_at(worker, i)) != NULL; i++)
        tcpd_log(NULL, LOG_NOTICE, "option %zu: %s", i, option);
    return 0;
}

static void serve(struct tcpd_session *session)
{
    struct sockaddr_storage local;
    socklen_t length;
    char *line;
    char answer[300];
    int n;

    note("serve");
    if (tcpd_local(session, &local, &length) < 0)
        tcpd_log(session, LOG_ERR, "no local address");
    while (tcpd_read_line(session, &line) >= 0) {
        tcpd_log(session, LOG_NOTICE, "said %s", line);
        n = snprintf(answer, sizeof(answer), "%s is heard, %s\n", tcpd_peer_text(session),
                     tcpd_stopping() ? "stopping" : "staying");
        if (tcpd_write(session, answer, (size_t)n) < 0)
            break;
    }
    note("end");
}

static void close_worker(void)
{
    note("close");
}

const struct tcpd_handler tcpd_handler = {
    .abi = TCPD_HANDLER_ABI, .open = open_worker, .serve = serve, .close = close_worker};
