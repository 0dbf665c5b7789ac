// SPDX-License-Identifier: MIT
// program: a user's program serves. `connection` starts it for each connection, which is its
// standard input and output; `prestart` has it running before there is one; `listener` makes the
// worker the program, which accepts by itself. program.h runs programs, program_check.c looks at
// what is configured.

#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h> // libc's struct tcp_info is older
#include <netinet/in.h>
#include <string.h>

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
#include "session/session.h"

// A client that does not read ends the connection by this; the program reads and writes by itself,
// so no other deadline of ours can.
static void limit_sending(const struct tcpd_session *session)
{
    uint64_t limit_ms = session->service->deadlines.send_usec / USEC_PER_MSEC;
    unsigned timeout = limit_ms < UINT32_MAX / 2 ? (unsigned)limit_ms : UINT32_MAX / 2;

    if (limit_ms > 0 && session->peer.any.sa_family != AF_UNIX)
        (void)setsockopt(session->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof(timeout));
}

// What poll(2) says of the client's socket. False: the client is gone. That both sides have ended
// is no error. What it would say again at once is asked again at *look_usec only.
static bool look_at_client(struct tcpd_session *session, struct pollfd *client, uint64_t *look_usec)
{
    bool is_error = (client->revents & POLLERR) != 0;

    if (client->revents == 0) {
        if (base_now_usec() >= *look_usec)
            client->fd = session->fd;
        return true;
    }
    if (is_error && program_client_is_dead(session)) {
        session_stop(session, SESSION_RESET);
        return false;
    }
    client->fd = -1;
    *look_usec = is_error ? base_now_usec() + USEC_PER_SEC : USEC_NEVER;
    return true;
}

// Until the program has ended, its time is over, or the client is gone.
static void watch(struct program *program, struct tcpd_session *session)
{
    enum { CLIENT, ERR };
    struct pollfd fds[] = {[CLIENT] = {.fd = session->fd}, [ERR] = {.events = POLLIN}};
    enum session_result late;
    uint64_t due = program_due(session, &late), look = USEC_NEVER;

    while (!program_has_ended(program)) {
        fds[ERR].fd = program->err;
        program_poll(fds, ELEMENTS(fds), due < look || fds[CLIENT].fd >= 0 ? due : look);
        if (fds[ERR].revents != 0)
            program_log(program, session);
        if (!look_at_client(session, &fds[CLIENT], &look))
            return;
        if (program_is_late() || (due != USEC_NEVER && base_now_usec() >= due)) {
            session_stop(session, late);
            return;
        }
    }
}

// What went through the socket past us. The kernel counts the peer's end as a byte; where both have
// ended, or the peer has reset, the connection is closed.
static void count_bytes(struct tcpd_session *session)
{
    struct tcp_info info;
    socklen_t length = sizeof(info);
    bool ended;

    if (session->peer.any.sa_family == AF_UNIX ||
        getsockopt(session->fd, IPPROTO_TCP, TCP_INFO, &info, &length) < 0)
        return;
    ended = info.tcpi_state == CLOSE_WAIT || info.tcpi_state == LAST_ACK ||
            info.tcpi_state == CLOSING ||
            (info.tcpi_state == CLOSED && session->result != SESSION_RESET);
    session->bytes_in = info.tcpi_bytes_received - (ended && info.tcpi_bytes_received > 0);
    session->bytes_out = info.tcpi_bytes_sent - info.tcpi_bytes_retrans + info.tcpi_notsent_bytes;
}

// The program may have changed what is the socket's and not the descriptor's.
static void make_blocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags >= 0 && (flags & O_NONBLOCK) != 0)
        (void)fcntl(fd, F_SETFL, flags & ~O_NONBLOCK); // else the close is less patient
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

static void serve_connection(struct tcpd_session *session)
{
    struct program program;

    limit_sending(session);
    if (!start(&program, session))
        return;
    watch(&program, session);
    count_bytes(session);
    if (program.ended)
        (void)shutdown(session->fd, SHUT_WR); // whatever it has left behind
    program_end(&program, NULL, session);
    program_report(&program, session);
    make_blocking(session->fd);
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
    if (mode == PROGRAM_PRESTART)
        prestart_serve(session);
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

const struct handler handler_program = {
    .name = "program",
    .face = {.abi = TCPD_HANDLER_ABI, .open = open_worker, .serve = serve, .close = close_worker},
    .form = &program_form,
    .prepare = program_check,
    .release = program_options_release,
    .runs = runs,
    .become = program_become_listener,
    .starts_processes = true,
};
