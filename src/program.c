// SPDX-License-Identifier: MIT
// Running programs. A worker adopts what its programs leave behind (PR_SET_CHILD_SUBREAPER), so
// that nothing of a session outlives it. SIGCHLD is blocked but while program_poll() waits.

#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base.h"
#include "log.h"
#include "program_child.h"
#include "program_environment.h"
#include "session_log.h"

#define READS_AT_ONCE 16 // of standard error, before others have their turn

// The worker's: it runs the programs of one service.
static struct {
    const struct tcpd_worker *worker;
    struct environment environment;
} run;

static void on_child(int signal)
{
    (void)signal; // it ends ppoll(2)
}

int program_open(const struct tcpd_worker *worker)
{
    struct sigaction action = {.sa_handler = on_child, .sa_flags = SA_NOCLDSTOP};
    sigset_t children;

    run.worker = worker;
    (void)sigemptyset(&children);
    (void)sigaddset(&children, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &children, NULL) < 0 || sigaction(SIGCHLD, &action, NULL) < 0 ||
        prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
        return -errno;
    return environment_open(&run.environment, &worker->service->options.program.environment);
}

void program_log_failure(const struct service *service, const struct program_child *child,
                         int error)
{
    const char *path = service->options.program.argv.items[0];

    if (child->step)
        log_error("%s: program \"%s\" cannot be given its %s: %s", service->name, path, child->step,
                  strerror(error));
    else
        log_error("%s: program \"%s\" cannot be executed: %s", service->name, path,
                  strerror(error));
}

int program_start(struct program *program, int fd, const struct tcpd_session *session)
{
    struct program_child child = {
        .options = &run.worker->service->options.program,
        .environment = environment_for(&run.environment, session),
        .in = fd,
        .out = fd,
        .listener = -1,
        .death_signal = SIGKILL,
    };
    int err[2];
    pid_t pid;

    *program = (struct program){
        .options = child.options, .err = -1, .started_usec = base_now_usec()};
    if (pipe2(err, O_CLOEXEC) < 0) {
        log_error("%s: no pipe for a program's standard error: %s", run.worker->service->name,
                  strerror(errno));
        return -errno;
    }
    child.err = err[1];
    pid = program_child_start(&child);
    (void)close(err[1]);
    if (pid < 0) {
        (void)close(err[0]);
        program_log_failure(run.worker->service, &child, -pid);
        return pid;
    }
    program->pid = program->group = pid;
    program->err = err[0];
    return 0;
}

void program_poll(struct pollfd *fds, nfds_t n, uint64_t due_usec)
{
    uint64_t now = due_usec == USEC_NEVER ? 0 : base_now_usec();
    struct timespec wait = base_timespec(due_usec > now ? due_usec - now : 0);
    sigset_t none;

    (void)sigemptyset(&none);
    if (ppoll(fds, n, due_usec == USEC_NEVER ? NULL : &wait, &none) < 0)
        for (nfds_t i = 0; i < n; i++)
            fds[i].revents = 0; // a signal: the caller looks at everything anyway
}

bool program_has_ended(struct program *program)
{
    if (program->pid > 0 &&
        wait4(program->pid, &program->status, WNOHANG, &program->usage) == program->pid) {
        program->pid = 0;
        program->ended = true;
    }
    return program->ended;
}

// Logs one line; "<3>" before it is its priority, as systemd reads it.
static void log_line(const struct program *program, const struct tcpd_session *session)
{
    const char *line = program->line;
    size_t length = program->n_line;
    int priority = LOG_INFO;

    if (length >= 3 && line[0] == '<' && line[1] >= '0' && line[1] <= '7' && line[2] == '>') {
        priority = line[1] - '0';
        line += 3;
        length -= 3;
    }
    if (length > 0)
        session_log_line(session, run.worker->service, run.worker->config, priority, line, length);
}

static void take_text(struct program *program, const struct tcpd_session *session, const char *text,
                      size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (text[i] != '\n')
            program->line[program->n_line++] = text[i];
        if (text[i] == '\n' || program->n_line == sizeof(program->line)) {
            log_line(program, session);
            program->n_line = 0;
        }
    }
}

void program_log(struct program *program, const struct tcpd_session *session)
{
    struct pollfd err = {.fd = program->err, .events = POLLIN};
    char text[4096];

    for (int i = 0; err.fd >= 0 && i < READS_AT_ONCE; i++) {
        ssize_t n;

        if (poll(&err, 1, 0) <= 0)
            return;
        n = read(err.fd, text, sizeof(text));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) { // nobody has it any more
            base_close_fd(&program->err);
            program->err = err.fd = -1;
            break;
        }
        take_text(program, session, text, (size_t)n);
    }
}

void program_close_log(struct program *program, const struct tcpd_session *session)
{
    program_log(program, session);
    if (program->n_line > 0)
        log_line(program, session);
    program->n_line = 0;
    base_close_fd(&program->err);
    program->err = -1;
}

void program_report(const struct program *program, struct tcpd_session *session)
{
    const struct rusage *usage = &program->usage;

    session->program.ended = program->ended;
    session->program.status = program->status;
    session->program.cpu_usec = (uint64_t)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) *
                                    USEC_PER_SEC +
                                (uint64_t)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec);
    session->program.memory_kib = (uint64_t)usage->ru_maxrss;
    if (!program->ended || program->status == 0)
        return;
    session_stop(session, WIFSIGNALED(program->status) && WTERMSIG(program->status) == SIGPIPE
                              ? SESSION_RESET // nobody has read what it wrote
                              : SESSION_PROGRAM_FAILED);
}
