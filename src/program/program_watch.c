// SPDX-License-Identifier: MIT
// The program reads and writes the socket, and not us. Its end, its log and the client's reset are
// events. What comes without one is looked at now and then, and only while it matters: whether the
// client takes what it is sent, whether a program reads what a client that is gone has left it, and
// whether anybody still has the socket.

#include "program/program_watch.h"

#include <linux/sockios.h>
#include <linux/tcp.h> // libc's struct tcp_info is older
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/base.h"
#include "program/program_patience.h"
#include "session/session_kick.h"

#define SEND_LOOKS      4 // in send_timeout
#define HELD_FIRST_USEC (10 * USEC_PER_MSEC)
#define HELD_LAST_USEC  USEC_PER_SEC

enum { CLIENT, ERR, FDS };

struct watch {
    struct program *program;
    struct tcpd_session *session;
    struct pollfd fds[FDS];
    uint64_t due_usec; // when the session must be over
    enum session_result late;
    uint64_t again_usec;     // when the client's socket is polled again
    bool is_gone;            // the client, and its program has to end
    struct progress reading; // then: what it has left unread
    struct progress sending; // what the client has acknowledged
    uint64_t send_look_usec; // when that is looked at
    bool is_closed;          // nobody has the socket any more, and the program runs
    uint64_t held_wait_usec; // between looks at that, once its standard error is closed
    uint64_t held_look_usec; // the next one
    uint64_t let_go_usec;    // the program has ended: when others must have closed the socket
};

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static const struct program_options *options_of(const struct watch *watch)
{
    return watch->program->options;
}

static bool is_held(const struct watch *watch)
{
    struct stat socket;

    return fstat(watch->session->fd, &socket) == 0 && program_holds(watch->program, socket.st_ino);
}

// Those that an ended program has left behind, and that have the connection, may finish.
static bool waits_for_others(struct watch *watch)
{
    if (watch->program->is_alone || watch->is_closed || !is_held(watch))
        return false;
    if (watch->let_go_usec == USEC_NEVER)
        watch->let_go_usec = base_now_usec() + options_of(watch)->kill_grace_usec;
    return base_now_usec() < watch->let_go_usec;
}

static bool has_ended(struct watch *watch)
{
    return program_has_ended(watch->program) && !waits_for_others(watch);
}

static void end_client(struct watch *watch)
{
    watch->fds[CLIENT].fd = -1;
    watch->again_usec = watch->send_look_usec = USEC_NEVER;
}

// What poll(2) says of the client's socket. That both sides have ended is no error. What it would
// say again at once is asked again at again_usec only.
static void look_at_client(struct watch *watch, uint64_t now)
{
    struct pollfd *client = &watch->fds[CLIENT];
    int revents = client->revents;

    if (client->fd < 0 && now >= watch->again_usec)
        client->fd = watch->session->fd;
    if (revents == 0)
        return;
    client->revents = 0;
    client->fd = -1;
    watch->again_usec = (revents & POLLERR) != 0 ? now + USEC_PER_SEC : USEC_NEVER;
    if (program_client_is_dead(watch->session, revents)) {
        session_stop(watch->session, SESSION_RESET);
        watch->is_gone = options_of(watch)->kill_mode != KILL_NONE;
        end_client(watch);
    }
}

// Where the program may live on, the session does not wait for it once it has closed all that it
// has of the connection. Of that its standard error is the sign; others may have gone before it.
static void look_at_socket(struct watch *watch, uint64_t now)
{
    if (watch->program->err >= 0 || watch->program->ended || watch->is_closed ||
        now < watch->held_look_usec)
        return;
    watch->held_look_usec = now + watch->held_wait_usec;
    watch->held_wait_usec = earlier(2 * watch->held_wait_usec, HELD_LAST_USEC);
    if (is_held(watch))
        return;
    watch->is_closed = true;
    watch->is_gone = false;
    watch->held_look_usec = USEC_NEVER;
    (void)shutdown(watch->session->fd, SHUT_WR);
    end_client(watch);
}

// Whether the client has acknowledged nothing for send_timeout, though there is something.
static bool has_stalled(struct watch *watch, uint64_t now)
{
    uint64_t limit = watch->session->service->deadlines.send_usec;
    struct tcp_info info = {.tcpi_bytes_acked = 0};
    socklen_t length = sizeof(info);
    int queued = 0;

    if (now < watch->send_look_usec)
        return false;
    watch->send_look_usec = now + limit / SEND_LOOKS;
    if (ioctl(watch->session->fd, SIOCOUTQ, &queued) < 0 ||
        getsockopt(watch->session->fd, IPPROTO_TCP, TCP_INFO, &info, &length) < 0)
        return false;
    progress_note(&watch->sending, queued > 0 ? info.tcpi_bytes_acked : UINT64_MAX, now);
    return queued > 0 && now - watch->sending.since_usec >= limit;
}

static bool was_left_long_enough(struct watch *watch, uint64_t now)
{
    int unread = 0;

    if (!watch->is_gone)
        return false;
    (void)ioctl(watch->session->fd, SIOCINQ, &unread); // cannot fail on a stream socket
    return program_was_left_long_enough(watch->session, &watch->reading, (uint64_t)unread, now);
}

static bool is_late(const struct watch *watch, uint64_t now)
{
    return program_is_late() || now >= watch->due_usec;
}

// True: there is nothing more to wait for.
static bool is_over(struct watch *watch)
{
    uint64_t now = base_now_usec();

    look_at_client(watch, now);
    look_at_socket(watch, now);
    if (session_kick_has_come())
        session_stop(watch->session, SESSION_KICKED);
    else if (is_late(watch, now))
        session_stop(watch->session, watch->late);
    else if (has_stalled(watch, now))
        session_stop(watch->session, SESSION_SEND_TIMEOUT);
    else
        return was_left_long_enough(watch, now);
    return true;
}

static uint64_t next_look(const struct watch *watch)
{
    uint64_t due = earlier(watch->due_usec, watch->send_look_usec);

    if (watch->fds[CLIENT].fd < 0)
        due = earlier(due, watch->again_usec);
    if (watch->program->err < 0 && !watch->program->ended)
        due = earlier(due, watch->held_look_usec);
    if (watch->is_gone || watch->program->ended)
        due = earlier(due, base_now_usec() + PROGRESS_LOOK_USEC);
    return earlier(due, watch->let_go_usec);
}

static void wait_for_events(struct watch *watch)
{
    watch->fds[ERR].fd = watch->program->err;
    program_poll(watch->fds, FDS, next_look(watch));
    if (watch->fds[ERR].revents != 0)
        program_log(watch->program, watch->session);
}

// The kernel does not tell what the client of a unix socket has taken.
static uint64_t first_send_look(const struct tcpd_session *session)
{
    uint64_t limit = session->service->deadlines.send_usec;

    return limit > 0 && !session->is_unix ? session->started_usec + limit / SEND_LOOKS : USEC_NEVER;
}

void program_watch(struct program *program, struct tcpd_session *session)
{
    struct watch watch = {
        .program = program,
        .session = session,
        .fds = {[CLIENT] = {.fd = session->fd}, [ERR] = {.events = POLLIN}},
        .again_usec = USEC_NEVER,
        .reading = PROGRESS_NEW,
        .sending = PROGRESS_NEW,
        .send_look_usec = first_send_look(session),
        .held_wait_usec = HELD_FIRST_USEC,
        .let_go_usec = USEC_NEVER,
    };

    watch.due_usec = program_due(session, &watch.late);
    while (!has_ended(&watch)) {
        wait_for_events(&watch);
        if (is_over(&watch))
            return;
    }
}
