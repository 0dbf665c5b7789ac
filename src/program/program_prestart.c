// SPDX-License-Identifier: MIT
// A program on a socket pair, started before its client comes; the relay joins the two. What it
// writes before, waits in the socket pair; what it says on standard error, in its pipe. One that
// has ended well by then is nothing special, as all it had to say is there; one that has failed
// without a word gets a successor, once, so that its client need not pay for it.

#include "program/program_prestart.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "base/base.h"
#include "process/process.h"
#include "program/program.h"
#include "program/relay.h"
#include "session/session.h"

struct instance {
    struct program program;
    int fd; // our end of its socket pair, -1: none
};

static struct instance waiting = {.fd = -1};

static int start(struct instance *instance)
{
    int ends[2], r;

    *instance = (struct instance){.fd = -1};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
        r = -errno;
        tcpd_log(NULL, LOG_ERR, "no socket pair for a program: %m");
        return r;
    }
    r = program_start(&instance->program, ends[1], NULL);
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
    instance->fd = -1;
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

    return instance->program.ended && instance->program.status != 0 &&
           session->result == SESSION_OK && session->bytes_in == 0 && session->bytes_out == 0 &&
           ioctl(instance->fd, SIOCINQ, &unread) == 0 && unread == 0;
}

static uint64_t program_due(const struct tcpd_session *session)
{
    uint64_t limit = program_options(session->service)->timeout_usec;

    return limit > 0 ? session->started_usec + limit : USEC_NEVER;
}

// One round: waits for something to happen and does what is to be done about it.
static void attend(struct instance *instance, struct relay *relay)
{
    enum { ERR = RELAY_ENDS, NEXT_ERR, FDS };
    struct pollfd fds[FDS] = {
        [ERR] = {.fd = instance->program.err, .events = POLLIN},
        [NEXT_ERR] = {.fd = waiting.program.group > 0 ? waiting.program.err : -1,
                      .events = POLLIN}};
    struct tcpd_session *session = relay->session;
    uint64_t due = relay_due(relay), its_due = program_due(session);

    if (tcpd_stopping())
        dismiss(&waiting);
    relay_wants(relay, fds);
    program_poll(fds, FDS, due < its_due ? due : its_due);
    if (fds[ERR].revents != 0)
        program_log(&instance->program, session);
    if (fds[NEXT_ERR].revents != 0)
        program_log(&waiting.program, NULL);
    (void)relay_step(relay, fds);
    if (program_is_late() || (its_due != USEC_NEVER && base_now_usec() >= its_due))
        session_stop(session, SESSION_PROGRAM_TIMEOUT);
}

// The session is the program's: both sides may have ended long before it has.
static void relay_session(struct instance *instance, struct tcpd_session *session, bool is_first)
{
    struct relay relay;

    relay_open(&relay, session, instance->fd);
    if (!program_has_ended(&instance->program))
        (void)relay_step(&relay, NULL);
    if (is_first && !tcpd_stopping())
        (void)start(&waiting); // it is logged; serve() looks whether there is one
    while (session->result == SESSION_OK && !program_has_ended(&instance->program))
        attend(instance, &relay);
    if (session->result == SESSION_OK && !has_failed_silently(instance, session))
        relay_finish(&relay);
    relay_close(&relay);
}

// Once more, where the one before has failed. False: there is no other.
static bool replace(struct instance *instance, struct tcpd_session *session)
{
    end(instance, &waiting, session);
    tcpd_log(session, LOG_WARNING, "the waiting program failed; starting it once more");
    return start(instance) == 0;
}

static void serve_with(struct instance *instance, struct tcpd_session *session)
{
    program_log(&instance->program, NULL); // what it has said before there was a client
    relay_session(instance, session, true);
    if (has_failed_silently(instance, session)) {
        if (!replace(instance, session)) {
            session_stop(session, SESSION_FAILED);
            return;
        }
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
    if (instance.fd >= 0)
        serve_with(&instance, session);
    else // it could not be started, and the worker was told to leave
        session_stop(session, SESSION_FAILED);
    if (waiting.fd < 0 && !tcpd_stopping())
        process_leave(WORKER_EXIT_PROGRAM);
}

int prestart_open(const struct tcpd_worker *worker)
{
    (void)worker;
    return start(&waiting);
}

void prestart_close(void)
{
    end(&waiting, NULL, NULL);
}
