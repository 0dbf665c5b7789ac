// SPDX-License-Identifier: MIT
// Running programs. A worker adopts what its programs leave behind (PR_SET_CHILD_SUBREAPER), so
// that nothing of a session outlives it unknown to us. SIGCHLD and SIGALRM are blocked but while
// program_poll() waits.

#include "program/program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/base.h"
#include "log/log.h"
#include "program/program_child.h"
#include "program/program_environment.h"
#include "session/session_lines.h"

#define READS_AT_ONCE 16 // of standard error, before others have their turn
#define SAY_USEC      (60 * USEC_PER_SEC)
#define AGAIN_USEC    (100 * USEC_PER_MSEC)

// The worker's: it runs the programs of one service.
static struct {
    const struct tcpd_worker *worker;
    struct environment environment;
} run;

// Pipes for standard error, made once and used again, of the one that serves and the one that is
// ready. The worker has both ends of them, so that none ever says that all writers are gone. Where
// something of a program may live on, it has a pipe of its own, and the worker no end to write to.
static struct program_pipe {
    int in, out; // -1: it is to be made
    bool is_taken;
} pipes[2] = {{-1, -1, false}, {-1, -1, false}};

static bool is_left(void)
{
    return run.worker->service->leaves_processes;
}

// The end to write to, open for reading as well: so whoever writes to it when the worker has closed
// its own is not killed by SIGPIPE.
static int reopen(int fd)
{
    char path[32];
    int both;

    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    both = open(path, O_RDWR | O_CLOEXEC);
    if (both < 0)
        return fd; // without /proc
    (void)close(fd);
    return both;
}

static int make_pipe(struct program_pipe *pipe)
{
    int ends[2];

    if (pipe->in >= 0)
        return 0;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    pipe->out = ends[0];
    pipe->in = is_left() ? reopen(ends[1]) : ends[1];
    return 0;
}

// NULL: there is none.
static struct program_pipe *take_pipe(void)
{
    struct program_pipe *pipe = pipes[0].is_taken ? &pipes[1] : &pipes[0];

    pipe->is_taken = make_pipe(pipe) == 0;
    return pipe->is_taken ? pipe : NULL;
}

// is_clean: nobody writes to it any more, and what was written is read.
static void give_pipe_back(struct program_pipe *pipe, bool is_clean)
{
    pipe->is_taken = false;
    if (is_clean && pipe->in >= 0)
        return;
    base_close_fd(&pipe->in);
    base_close_fd(&pipe->out);
}

static volatile sig_atomic_t is_late;

static void on_child(int signal)
{
    (void)signal; // it ends ppoll(2)
}

static void on_alarm(int signal)
{
    (void)signal; // worker.c sets one for an orphan
    is_late = 1;
}

bool program_is_late(void)
{
    return is_late != 0;
}

int program_open(const struct tcpd_worker *worker)
{
    struct sigaction action = {.sa_handler = on_child, .sa_flags = SA_NOCLDSTOP};
    struct sigaction alarm = {.sa_handler = on_alarm};
    const struct program_options *options = program_options(worker->service);
    sigset_t awaited;
    int r;

    run.worker = worker;
    r = make_pipe(&pipes[0]);
    if (r == 0 && options->mode == PROGRAM_PRESTART)
        r = make_pipe(&pipes[1]);
    if (r < 0)
        return r;
    (void)sigemptyset(&awaited);
    (void)sigaddset(&awaited, SIGCHLD);
    (void)sigaddset(&awaited, SIGALRM);
    if (sigprocmask(SIG_BLOCK, &awaited, NULL) < 0 || sigaction(SIGCHLD, &action, NULL) < 0 ||
        sigaction(SIGALRM, &alarm, NULL) < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
        return -errno;
    return environment_open(&run.environment, options);
}

void program_log_failure(const struct service *service, const struct program_child *child,
                         int error)
{
    const char *path = program_file(program_options(service));

    if (child->step)
        log_error("%s: program \"%s\" cannot be given its %s: %s", service->name, path, child->step,
                  strerror(error));
    else
        log_error("%s: program \"%s\" cannot be executed: %s", service->name, path,
                  strerror(error));
}

// What is tried again for each client is said once a minute.
bool program_is_said_already(int error)
{
    static uint64_t said_usec;
    uint64_t now = base_now_usec();

    if (error != EAGAIN && error != ENOMEM && error != ENFILE && error != ENOBUFS)
        return false;
    if (said_usec != 0 && now - said_usec < SAY_USEC)
        return true;
    said_usec = now;
    return false;
}

int program_start(struct program *program, int fd, const struct tcpd_session *session)
{
    struct program_child child = {
        .options = program_options(run.worker->service),
        .environment = environment_for(&run.environment, session),
        .in = fd,
        .out = fd,
        .listener = -1,
    };
    struct program_pipe *pipe = take_pipe();
    pid_t pid;
    int r;

    *program = (struct program){
        .options = child.options, .err = -1, .started_usec = base_now_usec()};
    if (!pipe) {
        r = -errno;
        if (!program_is_said_already(-r))
            log_error("%s: no pipe for a program's standard error: %s", run.worker->service->name,
                      strerror(-r));
        return r;
    }
    child.err = pipe->in;
    child.death_signal = child.options->kill_mode == KILL_NONE ? 0 : SIGKILL;
    pid = program_child_start(&child);
    if (pid < 0) {
        give_pipe_back(pipe, true);
        if (!program_is_said_already(-pid))
            program_log_failure(run.worker->service, &child, -pid);
        return pid;
    }
    program->pid = program->group = pid;
    program->pipe = pipe;
    program->err = pipe->out;
    if (is_left())
        base_close_fd(&pipe->in);
    return 0;
}

static bool ask_again; // whether a program has ended could not be found out

void program_poll(struct pollfd *fds, nfds_t n, uint64_t due_usec)
{
    uint64_t now = due_usec == USEC_NEVER && !ask_again ? 0 : base_now_usec();
    struct timespec wait;
    sigset_t none;

    if (ask_again && now + AGAIN_USEC < due_usec)
        due_usec = now + AGAIN_USEC;
    wait = base_timespec(due_usec > now ? due_usec - now : 0);
    (void)sigemptyset(&none);
    if (ppoll(fds, n, due_usec == USEC_NEVER ? NULL : &wait, &none) < 0)
        for (nfds_t i = 0; i < n; i++)
            fds[i].revents = 0; // a signal: the caller looks at everything anyway
}

bool program_has_ended(struct program *program)
{
    pid_t pid;

    if (program->pid == 0)
        return program->ended;
    pid = wait4(program->pid, &program->status, WNOHANG, &program->usage);
    if (pid == program->pid) {
        program->pid = 0;
        program->ended = true;
    }
    ask_again = pid < 0; // its SIGCHLD has come and gone
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
        session_lines_log(session, run.worker->service, run.worker->config, priority, line, length);
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
        if (n > 0)
            take_text(program, session, text, (size_t)n);
        if (n == 0)
            program->err = err.fd = -1; // nobody has it any more
    }
}

void program_close_log(struct program *program, const struct tcpd_session *session, bool is_clean)
{
    program_log(program, session);
    if (program->n_line > 0)
        log_line(program, session);
    program->n_line = 0;
    program->err = -1;
    session_lines_tell(session, run.worker->service, run.worker->config);
    give_pipe_back(program->pipe, is_clean);
}

void program_note(const struct program *program, struct tcpd_session *session)
{
    const struct rusage *usage = &program->usage;

    session->program.ended = program->ended;
    session->program.status = program->status;
    session->program.cpu_usec = (uint64_t)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) *
                                    USEC_PER_SEC +
                                (uint64_t)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec);
    session->program.memory_kib = (uint64_t)usage->ru_maxrss;
}

void program_judge(const struct program *program, struct tcpd_session *session)
{
    if (!program->ended || program_is_success(program->options, program->status))
        return;
    session_stop(session, WIFSIGNALED(program->status) && WTERMSIG(program->status) == SIGPIPE
                              ? SESSION_RESET // nobody has read what it wrote
                              : SESSION_PROGRAM_FAILED);
}

void program_report(const struct program *program, struct tcpd_session *session)
{
    program_note(program, session);
    program_judge(program, session);
}

void program_make_blocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags >= 0 && (flags & O_NONBLOCK) != 0)
        (void)fcntl(fd, F_SETFL, flags & ~O_NONBLOCK); // else whoever waits is less patient
}
