// SPDX-License-Identifier: MIT
// A session with stages. A stage may receive many times before it has a byte for the handler, and
// send many times for one write: so a deadline counts for all of that, by the clock, and the socket
// has what is left of it whenever a stage comes to it.

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "base/base.h"
#include "process/process.h"
#include "session/session.h"
#include "session/session_private.h"

#define PIECE           (64 * 1024) // of a long write
#define LAST_WORDS_USEC (2 * USEC_PER_SEC)
#define LOOK_USEC       USEC_PER_MSEC
#define EXACT_USEC      (100 * USEC_PER_MSEC)
#define STEP_BITS       6 // steps of 1/64 to 1/32

static uint8_t through[PIECE]; // what goes from the session to a pipe or back

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

// A little less, the same for all that is left in a row of calls: the socket need not be told each
// time. What then ends too early is looked at by the clock, and goes on.
static uint64_t rounded(uint64_t usec)
{
    unsigned bits = 64 - (unsigned)__builtin_clzll(usec | 1);

    return usec < EXACT_USEC ? usec : usec >> (bits - STEP_BITS) << (bits - STEP_BITS);
}

// Sets the time of the socket's next call. False: there is none left.
static bool arm_until(const struct tcpd_session *session, int option, uint64_t due, uint64_t *armed)
{
    uint64_t now = base_now_usec();

    if (now >= due)
        return false;
    session_arm(session->fd, option, armed, due == USEC_NEVER ? 0 : rounded(due - now), true);
    return true;
}

static ssize_t take(void *cookie, void *data, size_t size, int flags)
{
    struct tcpd_session *session = cookie;

    if (!(flags & MSG_DONTWAIT) &&
        !arm_until(session, SO_RCVTIMEO, session->stage_due_usec, &session->receive_armed_usec)) {
        errno = EAGAIN;
        return -1;
    }
    return recv(session->fd, data, size, flags);
}

// When what is written now must have been taken.
static uint64_t send_due(const struct tcpd_session *session)
{
    uint64_t limit = session->service->deadlines.send_usec;

    return limit > 0 ? earlier(base_now_usec() + limit, session->deadline_usec)
                     : session->deadline_usec;
}

// A stage sends while it reads, too, as answers to pings; a peer that does not take them has no
// longer than for what a handler writes.
static ssize_t give(void *cookie, const void *data, size_t size, int flags)
{
    struct tcpd_session *session = cookie;
    uint64_t due = session->stage_due_usec, limit;
    ssize_t n;

    if (flags & MSG_DONTWAIT)
        return send(session->fd, data, size, flags | MSG_NOSIGNAL);
    limit = send_due(session);
    if (!arm_until(session, SO_SNDTIMEO, earlier(due, limit), &session->send_armed_usec)) {
        errno = EAGAIN;
        return -1;
    }
    n = send(session->fd, data, size, flags | MSG_NOSIGNAL);
    if (n < 0 && errno == EAGAIN && limit < due && base_now_usec() >= limit)
        session_stop(session, SESSION_SEND_TIMEOUT);
    return n;
}

static void acknowledge(void *cookie)
{
    const struct tcpd_session *session = cookie;
    const int on = 1;

    (void)setsockopt(session->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

struct stage_end session_socket(struct tcpd_session *session)
{
    return (struct stage_end){
        .take = take, .give = give, .cookie = session, .acknowledge = acknowledge};
}

// When the handshake must be over, and what the session is if it is not. A client that has not said
// what it wants is owed nothing, once tcpd stops.
static enum session_result begin_due(struct tcpd_session *session, uint64_t *stop_usec)
{
    uint64_t limit = session->service->deadlines.handshake_usec;
    uint64_t due = limit > 0 ? session->ready_usec + limit : USEC_NEVER;
    enum session_result late = SESSION_HANDSHAKE_TIMEOUT;

    if (process_idle_usec() > 0 && *stop_usec == USEC_NEVER)
        *stop_usec = base_now_usec() + process_idle_usec();
    if (session->deadline_usec <= due) {
        due = session->deadline_usec;
        late = SESSION_TIMEOUT;
    }
    if (*stop_usec <= due) {
        due = *stop_usec;
        late = SESSION_STOPPED;
    }
    session->stage_due_usec = due;
    return late;
}

bool session_begin(struct tcpd_session *session)
{
    uint64_t stop_usec = USEC_NEVER;

    while (session->stage && session->result == SESSION_OK) {
        enum session_result late = begin_due(session, &stop_usec);
        int r = stage_begin(session->stage, 0);

        if (r >= 0)
            return r > 0;
        if (errno != EAGAIN && errno != EINTR)
            (void)session_stop_by_errno(session, errno);
        else if (base_now_usec() >= session->stage_due_usec)
            session_stop(session, late);
    }
    return session->result == SESSION_OK;
}

ssize_t session_stage_take(struct tcpd_session *session, const struct session_place *to,
                           size_t size, uint64_t wait)
{
    uint64_t now = base_now_usec(), wake = stage_wake_usec(session->stage);

    // Late for its turn, it looks at the socket all the same: there may be what it waits for.
    wake = wake > now + LOOK_USEC ? wake : now + LOOK_USEC;
    session->stage_due_usec = earlier(now + wait, wake);
    return session->stage->ops->take(session->stage, to->data, size, 0, &session->has_last);
}

// After a call that gave nothing. False: the session has ended.
static bool may_give_again(struct tcpd_session *session, int error)
{
    if (error == ESHUTDOWN)
        return false; // the peer has ended both ways, as it may
    if (error != EAGAIN && error != EINTR)
        (void)session_stop_by_errno(session, error);
    else if (base_now_usec() >= session->stage_due_usec)
        session_stop(session, session->stage_due_usec == session->deadline_usec
                                  ? SESSION_TIMEOUT
                                  : SESSION_SEND_TIMEOUT);
    return session->result == SESSION_OK;
}

// False: the session takes nothing more, whatever its result.
static bool write_all(struct tcpd_session *session, const uint8_t *data, size_t size, bool is_last)
{
    for (;;) {
        size_t piece = size < PIECE ? size : PIECE;
        ssize_t n = session->stage->ops->give(session->stage, data, piece, 0,
                                              is_last && piece == size);

        if (n < 0 && !may_give_again(session, errno))
            return false;
        if (n < 0)
            continue;
        session_count_out(session, (uint64_t)n);
        data += n;
        size -= (size_t)n;
        if (size == 0)
            break;
    }
    while (stage_flush(session->stage, 0) < 0)
        if (!may_give_again(session, errno))
            return false;
    return true;
}

int session_stage_write(struct tcpd_session *session, const void *data, size_t size, bool is_last)
{
    bool is_written = true;

    session_enter(session, DOING_WRITING);
    session->stage_due_usec = send_due(session);
    if (size > 0 || is_last)
        is_written = write_all(session, data, size, is_last);
    session_leave(session);
    return is_written ? 0 : -1;
}

ssize_t session_stage_splice_read(struct tcpd_session *session, int pipe, size_t size)
{
    ssize_t n = tcpd_read(session, through, size < PIECE ? size : PIECE);

    return n > 0 ? write(pipe, through, (size_t)n) : n; // it is empty and has room
}

int session_stage_splice_write(struct tcpd_session *session, int pipe, size_t size)
{
    while (size > 0) {
        ssize_t n = read(pipe, through, size < PIECE ? size : PIECE);

        if (n <= 0) // less was written to it than was said
            tcpd_fail(session);
        if (n <= 0 || tcpd_write(session, through, (size_t)n) < 0)
            return -1;
        size -= (size_t)n;
    }
    return 0;
}

ssize_t session_take_now(struct tcpd_session *session, void *data, size_t size)
{
    ssize_t n;

    if (!session->stage)
        return recv(session->fd, data, size, MSG_DONTWAIT);
    do
        n = session->stage->ops->take(session->stage, data, size, MSG_DONTWAIT, &session->has_last);
    while (n == 0 && session->has_last); // an empty message
    return n;
}

ssize_t session_give_now(struct tcpd_session *session, const void *data, size_t size)
{
    ssize_t n;

    if (!session->stage)
        return send(session->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    n = session->stage->ops->give(session->stage, data, size, MSG_DONTWAIT, true);
    return n < 0 && errno == ESHUTDOWN ? (ssize_t)size : n; // nobody wants it any more
}

static const enum stage_ending endings[SESSION_RESULTS] = {
    [SESSION_OK] = STAGE_DONE,
    [SESSION_FIRST_BYTE_TIMEOUT] = STAGE_LATE,
    [SESSION_IDLE_TIMEOUT] = STAGE_LATE,
    [SESSION_TIMEOUT] = STAGE_LATE,
    [SESSION_PROTOCOL_ERROR] = STAGE_BROKEN,
    [SESSION_FAILED] = STAGE_FAILED,
    [SESSION_PROGRAM_TIMEOUT] = STAGE_LATE,
    [SESSION_PROGRAM_FAILED] = STAGE_FAILED,
    [SESSION_STOPPED] = STAGE_STOPPED,
    [SESSION_HANDSHAKE_TIMEOUT] = STAGE_LATE,
    [SESSION_REFUSED] = STAGE_BROKEN,
    [SESSION_TLS_FAILED] = STAGE_BROKEN,
};

bool session_end_output(struct tcpd_session *session)
{
    int r = 0;

    if (session->stage)
        r = stage_end_output(session->stage, endings[session->result], MSG_DONTWAIT);
    if (r < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (r < 0 && errno == EILSEQ) { // what it has kept for the end; and the close says so
        session_stop(session, SESSION_FAILED);
        return false;
    }
    (void)shutdown(session->fd, SHUT_WR); // a socket that cannot be told is dead
    return true;
}

void session_stage_close(struct tcpd_session *session)
{
    enum session_result result = session->result;
    enum stage_ending ending = endings[result];
    int flags = MSG_DONTWAIT; // what there is room for leaves, however late it is

    if (result == SESSION_RESET || result == SESSION_PEER_LOST || result == SESSION_SEND_TIMEOUT ||
        result == SESSION_KICKED)
        return;
    session->stage_due_usec = earlier(base_now_usec() + LAST_WORDS_USEC, send_due(session));
    while (stage_end_output(session->stage, ending, flags) < 0) {
        if (errno == EILSEQ && ending == STAGE_DONE)
            ending = STAGE_FAILED;
        else if ((errno != EAGAIN && errno != EINTR) || base_now_usec() >= session->stage_due_usec)
            return;
        flags = 0;
    }
}
