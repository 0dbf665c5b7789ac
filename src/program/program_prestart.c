// SPDX-License-Identifier: MIT
// A program on a socket pair, started before its client comes; the relay joins the two. What it
// writes before, waits in the socket pair; what it says on standard error, in its pipe. One that
// has ended well by then is nothing special, as all it had to say is there; one that has failed
// without a word gets a successor, once, so that its client need not pay for it.

#include "program/program_prestart.h"

#include <errno.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/base.h"
#include "process/process.h"
#include "program/program.h"
#include "program/program_patience.h"
#include "program/relay.h"
#include "session/session.h"
#include "session/session_kick.h"

struct instance {
    struct program program;
    int fd; // our end of its socket pair, -1: none
    bool has_spoken;
};

// While it serves.
struct attendance {
    struct instance *instance;
    struct relay relay;
    struct progress reading; // of what a client has left that is gone
    uint64_t let_go_usec;    // the program has ended: when others must have closed its socket
};

static struct instance waiting = {.fd = -1};
static int socket_type = SOCK_STREAM; // the listener's: a program meets messages as they were sent

// session: it is there already, and the program's environment is of it; NULL: it is not.
static int start(struct instance *instance, const struct tcpd_session *session)
{
    int ends[2], r;

    *instance = (struct instance){.fd = -1};
    if (socketpair(AF_UNIX, socket_type | SOCK_CLOEXEC, 0, ends) < 0) {
        r = -errno;
        if (!program_is_said_already(-r))
            tcpd_log(NULL, LOG_ERR, "no socket pair for a program: %s", strerror(-r));
        return r;
    }
    r = program_start(&instance->program, ends[1], session);
    (void)close(ends[1]); // the program's alone
    if (r < 0)
        (void)close(ends[0]);
    else
        instance->fd = ends[0];
    return r;
}

// Ends the input of one that waits, as nobody will come any more: many a program needs no more to
// end by itself. prestart_close() ends the others.
static void dismiss(struct instance *instance)
{
    base_close_fd(&instance->fd);
}

// Ends what runs of it.
static void end(struct instance *instance, const struct instance *other,
                const struct tcpd_session *session)
{
    dismiss(instance);
    if (instance->program.group > 0) // else it was never started
        program_end(&instance->program, other && other->program.group > 0 ? &other->program : NULL,
                    session);
}

// It has ended by itself with a failure, and nothing went to it or came from it.
static bool has_failed_silently(const struct instance *instance, const struct tcpd_session *session)
{
    int unread = 0;

    return instance->program.ended &&
           !program_is_success(instance->program.options, instance->program.status) &&
           session->result == SESSION_OK && session->bytes_in == 0 && !instance->has_spoken &&
           ioctl(instance->fd, SIOCINQ, &unread) == 0 && unread == 0;
}

// Whether nobody has the program's end of the socket pair any more.
static bool is_closed(const struct instance *instance)
{
    struct pollfd fd = {.fd = instance->fd};

    return poll(&fd, 1, 0) > 0 && (fd.revents & POLLHUP) != 0;
}

// Those that an ended program has left behind, and that have its socket, may finish.
static bool has_ended(struct attendance *attendance)
{
    struct program *program = &attendance->instance->program;

    if (!program_has_ended(program))
        return false;
    if (is_closed(attendance->instance))
        return true;
    if (attendance->let_go_usec == USEC_NEVER)
        attendance->let_go_usec = base_now_usec() + program->options->kill_grace_usec;
    return base_now_usec() >= attendance->let_go_usec;
}

static bool was_left_long_enough(struct attendance *attendance)
{
    const struct relay *relay = &attendance->relay;

    return relay->client_error != 0 &&
           program_was_left_long_enough(relay->session, &attendance->reading, relay_unread(relay),
                                        base_now_usec());
}

// When no event tells of what is waited for.
static uint64_t next_look(const struct attendance *attendance)
{
    const struct program *program = &attendance->instance->program;
    bool is_gone = attendance->relay.client_error != 0;
    bool looks = program->ended || (is_gone && program->options->kill_mode != KILL_NONE);

    return looks ? base_now_usec() + PROGRESS_LOOK_USEC : USEC_NEVER;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

// One round: waits for something to happen and does what is to be done about it.
static void attend(struct attendance *attendance)
{
    struct instance *instance = attendance->instance;
    struct relay *relay = &attendance->relay;
    enum { ERR = RELAY_ENDS, NEXT_ERR, FDS };
    struct pollfd fds[FDS] = {
        [ERR] = {.fd = instance->program.err, .events = POLLIN},
        [NEXT_ERR] = {.fd = waiting.program.group > 0 ? waiting.program.err : -1,
                      .events = POLLIN}};
    struct tcpd_session *session = relay->session;
    enum session_result late;
    uint64_t its_due = program_due(session, &late);
    uint64_t due = earlier(its_due, earlier(relay_due(relay), next_look(attendance)));

    if (tcpd_stopping())
        dismiss(&waiting);
    relay_wants(relay, fds);
    program_poll(fds, FDS, due);
    if (fds[ERR].revents != 0)
        program_log(&instance->program, session);
    if (fds[NEXT_ERR].revents != 0)
        program_log(&waiting.program, NULL);
    (void)relay_step(relay, fds);
    if (session_kick_has_come())
        session_stop(session, SESSION_KICKED);
    if (program_is_late() || base_now_usec() >= its_due)
        session_stop(session, late);
}

// The one for the next client. Where the system is short of processes that client starts it; else
// the worker is to leave, as it cannot serve.
static void start_next(const struct tcpd_session *session)
{
    int r = start(&waiting, NULL);

    if (r < 0 && !program_is_shortage(session->service, r))
        process_leave(WORKER_EXIT_PROGRAM);
}

// What it has written, and then how it has ended, which the last words may tell.
static void finish(struct relay *relay, const struct instance *instance)
{
    relay_finish(relay);
    if (relay->session->result != SESSION_OK)
        return;
    program_report(&instance->program, relay->session);
    relay_end(relay);
}

// The session is the program's: both sides may have ended long before it has.
static void relay_session(struct instance *instance, struct tcpd_session *session, bool is_first)
{
    struct attendance attendance = {
        .instance = instance, .reading = PROGRESS_NEW, .let_go_usec = USEC_NEVER};
    struct relay *relay = &attendance.relay;

    relay_open(relay, session, instance->fd);
    relay->has_messages = socket_type == SOCK_SEQPACKET;
    if (!program_has_ended(&instance->program))
        (void)relay_step(relay, NULL);
    if (is_first && !tcpd_stopping())
        start_next(session);
    while (session->result == SESSION_OK && !has_ended(&attendance) &&
           !was_left_long_enough(&attendance))
        attend(&attendance);
    instance->has_spoken = relay->has_far_spoken;
    if (session->result == SESSION_OK && relay->client_error != 0)
        (void)session_stop_by_errno(session, relay->client_error);
    if (session->result == SESSION_OK && !has_failed_silently(instance, session))
        finish(relay, instance);
    if (relay->far_error != 0)
        tcpd_log(session, LOG_ERR, "the program's socket failed: %s", strerror(relay->far_error));
    relay_close(relay);
}

// For a client that is there already; `known`: whose environment the program has, or NULL. False:
// the session has ended.
static bool start_for(struct instance *instance, struct tcpd_session *session,
                      const struct tcpd_session *known)
{
    unsigned n_waits = 0;
    int r = start(instance, known);

    while (r < 0 && program_tries_again(session, r, &n_waits))
        r = start(instance, known);
    return r == 0;
}

// Once more, where the one before has failed. False: there is no other, and the session has ended.
static bool replace(struct instance *instance, struct tcpd_session *session)
{
    end(instance, &waiting, session);
    tcpd_log(session, LOG_WARNING, "the waiting program failed; starting it once more");
    return start_for(instance, session, NULL);
}

static void serve_with(struct instance *instance, struct tcpd_session *session)
{
    program_log(&instance->program, NULL); // what it has said before there was a client
    relay_session(instance, session, true);
    if (has_failed_silently(instance, session)) {
        if (!replace(instance, session))
            return;
        relay_session(instance, session, false);
        if (has_failed_silently(instance, session)) {
            tcpd_log(session, LOG_ERR, "the program failed twice without writing a byte");
            process_leave(WORKER_EXIT_PROGRAM); // the next one is started with patience
        }
    }
    end(instance, &waiting, session);
    program_report(&instance->program, session);
}

void prestart_serve(struct tcpd_session *session)
{
    struct instance instance = waiting;

    waiting = (struct instance){.fd = -1};
    if (instance.fd >= 0 || start_for(&instance, session, NULL))
        serve_with(&instance, session);
    if (waiting.fd < 0 && !tcpd_stopping() && process_leave_reason() == WORKER_EXIT_DRAINED)
        start_next(session); // what has served has made room
}

void prestart_serve_late(struct tcpd_session *session)
{
    struct instance instance;

    if (!start_for(&instance, session, session))
        return;
    relay_session(&instance, session, false);
    end(&instance, NULL, session);
    program_report(&instance.program, session);
}

int prestart_open(const struct tcpd_worker *worker)
{
    socklen_t length = sizeof(socket_type);
    int r;

    (void)getsockopt(worker->listener, SOL_SOCKET, SO_TYPE, &socket_type, &length);
    r = start(&waiting, NULL);
    return program_is_shortage(worker->service, r) ? 0 : r;
}

void prestart_close(void)
{
    end(&waiting, NULL, NULL);
}
