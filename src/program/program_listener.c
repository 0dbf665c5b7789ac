// SPDX-License-Identifier: MIT
// program_mode = listener: the worker becomes a program that accepts by itself, as one that systemd
// hands a socket: sd_listen_fds(3).

#include "program/program_listener.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-journal.h>

#include "base/base.h"
#include "log/log.h"
#include "program/program_child.h"
#include "program/program_environment.h"

// What the program says goes to the journal under a name of its own; with text, where ours goes.
// *ret_stream: what JOURNAL_STREAM says then. A descriptor to be closed, or -1.
static int open_journal(const struct service *service, char *ret_stream, size_t size)
{
    char identifier[80];
    struct stat st;
    int fd;

    (void)snprintf(identifier, sizeof(identifier), "tcpd/%s", service->name);
    fd = log_has_fields() ? sd_journal_stream_fd(identifier, LOG_INFO, true) : -1;
    if (fd < 0 || fstat(fd, &st) < 0)
        return -1;
    (void)snprintf(ret_stream, size, "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
    return fd;
}

void program_become_listener(const struct tcpd_worker *worker)
{
    const struct service *service = worker->service;
    struct environment environment;
    char stream[64] = "";
    sigset_t all;
    int journal = open_journal(service, stream, sizeof(stream));
    struct program_child child = {
        .options = program_options(service),
        .in = STDIN_FILENO,
        .out = journal >= 0 ? journal : STDOUT_FILENO,
        .err = journal >= 0 ? journal : STDERR_FILENO,
        .listener = worker->listener,
        .death_signal = SIGTERM,
        .parent = getppid(),
    };
    int r = environment_open(&environment, child.options);

    if (r == 0) {
        child.environment = environment_for_listener(&environment, service->name,
                                                     journal >= 0 ? stream : NULL);
        (void)sigfillset(&all);
        (void)sigprocmask(SIG_SETMASK, &all, NULL);
        if (tcpd_stopping())
            return; // the dead socket has the listener's number
        r = program_child_become(&child);
    }
    program_log_failure(service, &child, -r);
}
