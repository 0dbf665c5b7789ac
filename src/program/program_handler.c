// SPDX-License-Identifier: MIT
// program: a user's program serves. `connection` starts it for each connection, which is its
// standard input and output; `prestart` has it running before there is one; `wait` starts it with
// the listener, which it serves by itself; `listener` makes the worker the program. program.h runs
// programs, program_check.c looks at what is configured.

#include <fcntl.h>
#include <linux/tcp.h> // libc's struct tcp_info is older
#include <netinet/in.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base.h"
#include "config/handler.h"
#include "log/log.h"
#include "process/process.h"
#include "program/program.h"
#include "program/program_check.h"
#include "program/program_listener.h"
#include "program/program_options.h"
#include "program/program_patience.h"
#include "program/program_prestart.h"
#include "program/program_wait.h"
#include "program/program_watch.h"
#include "session/session.h"

static uint64_t subtract(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

// What went through the socket past us. The kernel counts the peer's end as a byte; where both have
// ended, or the peer has reset, the connection is closed.
static void count_bytes(struct tcpd_session *session)
{
    struct tcp_info info;
    socklen_t length = sizeof(info);
    uint64_t header = session->header ? session->header->length : 0; // which was not the program's
    bool ended;

    if (session->is_unix || getsockopt(session->fd, IPPROTO_TCP, TCP_INFO, &info, &length) < 0)
        return;
    ended = info.tcpi_state == CLOSE_WAIT || info.tcpi_state == LAST_ACK ||
            info.tcpi_state == CLOSING ||
            (info.tcpi_state == CLOSED && program_end_is_acknowledged(&info) &&
             session->result != SESSION_RESET);
    session->bytes_in = subtract(info.tcpi_bytes_received, header + ended);
    session->bytes_out = info.tcpi_bytes_sent - info.tcpi_bytes_retrans + info.tcpi_notsent_bytes;
    if (session->counts) {
        score_add(&session->counts->received, session->bytes_in);
        score_add(&session->counts->sent, session->bytes_out);
    }
}

// False: the session has ended.
static bool start(struct program *program, struct tcpd_session *session)
{
    unsigned n_waits = 0;
    int r = program_start(program, session->fd, session);

    while (r < 0 && program_tries_again(session, r, &n_waits))
        r = program_start(program, session->fd, session);
    return r == 0;
}

// Others have the connection as well, outside of the session from now on. It is theirs, and ends
// when they close it; unless its time is over.
static void give_away(struct tcpd_session *session)
{
    static const struct sockaddr nobody = {.sa_family = AF_UNSPEC};

    if (session->result == SESSION_SEND_TIMEOUT)
        (void)connect(session->fd, &nobody, sizeof(nobody)); // resets it, whoever has it
    else if (session->result == SESSION_TIMEOUT || session->result == SESSION_PROGRAM_TIMEOUT)
        (void)shutdown(session->fd, SHUT_RDWR);
    else
        session->peer_ended = true; // our close ends nothing, so that there is nothing to wait for
}

static bool is_left_to_others(struct program *program, const struct tcpd_session *session)
{
    struct stat socket;

    return program->options->kill_mode != KILL_GROUP && fstat(session->fd, &socket) == 0 &&
           program_holds(program, socket.st_ino);
}

static void serve_connection(struct tcpd_session *session)
{
    struct program program;

    if (!start(&program, session))
        return;
    program_watch(&program, session);
    count_bytes(session);
    if (program.ended && program.options->kill_mode == KILL_GROUP)
        (void)shutdown(session->fd, SHUT_WR); // whatever it has left behind
    program_end(&program, NULL, session);
    if (is_left_to_others(&program, session))
        give_away(session);
    else
        program_make_blocking(session->fd);
    program_report(&program, session);
}

static enum program_mode mode;

static int open_worker(const struct tcpd_worker *worker)
{
    int r = program_open(worker);

    mode = program_options(worker->service)->mode;
    if (r < 0)
        log_error("%s: cannot prepare for its program: %s", worker->service->name, strerror(-r));
    return r < 0 || mode != PROGRAM_PRESTART ? r : prestart_open(worker);
}

static void serve(struct tcpd_session *session)
{
    session->program.timeout_usec = program_options(session->service)->timeout_usec;
    if (mode == PROGRAM_PRESTART)
        prestart_serve(session);
    else if (mode == PROGRAM_WAIT)
        program_wait_serve(session);
    else if (session->stage && !session->stage->ops->is_thin)
        prestart_serve_late(session);
    else
        serve_connection(session);
}

static void close_worker(void)
{
    if (mode == PROGRAM_PRESTART)
        prestart_close();
}

static const char *runs(const struct service *service)
{
    return program_file(program_options(service));
}

static uint64_t grace(const struct service *service)
{
    return program_options(service)->kill_grace_usec;
}

const struct handler handler_program = {
    .name = "program",
    .face = {.abi = TCPD_HANDLER_ABI, .open = open_worker, .serve = serve, .close = close_worker},
    .form = &program_form,
    .prepare = program_check,
    .release = program_options_release,
    .runs = runs,
    .grace = grace,
    .become = program_become_listener,
    .starts_processes = true,
};
