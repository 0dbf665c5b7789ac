// SPDX-License-Identifier: MIT
// One connection. Deadlines ride on SO_RCVTIMEO and SO_SNDTIMEO of the accepted socket, set only
// when the armed value would be too long: poll() before each read costs 6 to 9 % of small messages.
// Never blocks without a deadline that is on; logs nothing.

#include "session/session.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <stdalign.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>

#include "base/base.h"
#include "process/process.h"
#include "session/linger.h"
#include "session/session_batch.h"
#include "session/session_kick.h"
#include "session/session_private.h"

#define PAGE        4096
#define UNIX_PIECE  (16 * 1024)
#define SMALL_WRITE (8 * 1024)  // fits the send buffer of a fresh connection
#define BUFFER_KEPT (64 * 1024) // bytes of a session that leave the buffer where it is
#define A_DAY       (86400 * USEC_PER_SEC)

const char *const session_result_names[SESSION_RESULTS] = {
    [SESSION_OK] = "ok",
    [SESSION_FIRST_BYTE_TIMEOUT] = "first byte timeout",
    [SESSION_IDLE_TIMEOUT] = "idle timeout",
    [SESSION_SEND_TIMEOUT] = "send timeout",
    [SESSION_TIMEOUT] = "session timeout",
    [SESSION_RESET] = "reset by peer",
    [SESSION_PEER_LOST] = "peer lost",
    [SESSION_PROTOCOL_ERROR] = "protocol error",
    [SESSION_FAILED] = "failed",
    [SESSION_PROGRAM_TIMEOUT] = "program timeout",
    [SESSION_PROGRAM_FAILED] = "program failed",
    [SESSION_STOPPED] = "stopped",
    [SESSION_HANDSHAKE_TIMEOUT] = "handshake timeout",
    [SESSION_REFUSED] = "request refused",
    [SESSION_TLS_FAILED] = "tls failed",
    [SESSION_KICKED] = "kicked",
};

uint8_t *tcpd_buffer(void)
{
    alignas(PAGE) static uint8_t buffer[TCPD_BUFFER_SIZE];

    return buffer;
}

// Gives the buffer's memory back after a session that has filled it: an idle worker has no use for
// it, and the next session may be a small one.
static void give_back_buffer(const struct tcpd_session *session)
{
    if (session->bytes_in + session->bytes_out > BUFFER_KEPT)
        (void)madvise(tcpd_buffer(), TCPD_BUFFER_SIZE, MADV_DONTNEED);
}

void session_init(struct tcpd_session *session, int fd, const struct service *service)
{
    uint64_t limit = service->deadlines.session_usec;

    session->fd = fd;
    session->service = service;
    session->started_usec = session->ready_usec = base_now_usec();
    session->deadline_usec = limit > 0 ? session->started_usec + limit : USEC_NEVER;
    session->message_deadline_usec = USEC_NEVER;
    session->receive_armed_usec = session->send_armed_usec = 0;
    session->bytes_in = session->bytes_out = 0;
    session->wait_usec = session->reply_usec = USEC_NEVER;
    session->n_ahead = 0;
    session->n_turns = 0;
    session->header = NULL;
    session->destination.length = 0;
    session->speaks_for_itself = false;
    session->is_unix = session->peer.any.sa_family == AF_UNIX;
    session->program.ended = false;
    session->result = SESSION_OK;
    session->peer_ended = false;
    session->has_last = false;
    session->is_ticking = session->stage || linger_has_any() || session_batch_ticks();
    session->owes = false;
    session_kick_forget();
    if (session->stage)
        stage_open(session->stage);
}

void session_stop(struct tcpd_session *session, enum session_result result)
{
    if (session->result == SESSION_OK)
        session->result = session_kick_has_come() ? SESSION_KICKED : result;
}

int session_stop_by_errno(struct tcpd_session *session, int error)
{
    if (error == ECONNRESET || error == EPIPE || error == ENOTCONN)
        session_stop(session, SESSION_RESET);
    else if (error == EBADMSG)
        session_stop(session, SESSION_REFUSED);
    else if (error == EKEYREJECTED)
        session_stop(session, SESSION_TLS_FAILED);
    else if (error == EPROTO)
        session_stop(session, SESSION_PROTOCOL_ERROR);
    else if (error == ETIMEDOUT || error == EHOSTUNREACH || error == ENETUNREACH)
        session_stop(session, SESSION_PEER_LOST); // keepalive or retransmission gave up
    else
        session_stop(session, SESSION_FAILED);
    return -1;
}

// Time left until the nearer of two deadlines; 0: none is on. *ret_over: that one has passed.
static uint64_t time_left(uint64_t a, uint64_t b, bool *ret_over)
{
    uint64_t nearer = a < b ? a : b;
    uint64_t now;

    *ret_over = false;
    if (nearer == USEC_NEVER)
        return 0;
    now = base_now_usec();
    *ret_over = nearer <= now;
    return *ret_over ? 1 : nearer - now;
}

// The shorter of two waits, of which 0 is endless.
static uint64_t shorter(uint64_t a, uint64_t b)
{
    if (a == 0 || b == 0)
        return a + b;
    return a < b ? a : b;
}

void session_arm(int fd, int option, uint64_t *armed, uint64_t wanted, bool exactly)
{
    struct timeval timeout = {.tv_sec = (time_t)(wanted / USEC_PER_SEC),
                              .tv_usec = (suseconds_t)(wanted % USEC_PER_SEC)};

    if (*armed == wanted || (!exactly && shorter(*armed, wanted) == *armed && *armed != 0))
        return;
    *armed = wanted;
    (void)setsockopt(fd, SOL_SOCKET, option, &timeout, sizeof(timeout)); // fails on a dead fd only
}

// How long a read that has waited may wait without a byte; 0: for ever. *ret_result: what it is
// then. A client that is owed nothing has less time once tcpd stops.
static uint64_t read_limit(const struct tcpd_session *session, enum session_result *ret_result)
{
    const struct deadlines *deadlines = &session->service->deadlines;
    bool first = session->bytes_in == 0;
    uint64_t limit = first ? deadlines->first_byte_usec : deadlines->idle_usec;
    uint64_t stop = session->owes ? 0 : process_idle_usec();

    *ret_result = first ? SESSION_FIRST_BYTE_TIMEOUT : SESSION_IDLE_TIMEOUT;
    if (stop > 0 && (limit == 0 || stop < limit))
        *ret_result = SESSION_STOPPED;
    return shorter(limit, stop);
}

// How long this read may still wait after `waited` without a byte. -1: it has waited for too long.
static int read_wait(struct tcpd_session *session, uint64_t waited, uint64_t *ret_wait)
{
    enum session_result late;
    uint64_t limit = read_limit(session, &late);
    bool over;
    uint64_t left = time_left(session->deadline_usec, session->message_deadline_usec, &over);

    if (over) {
        session_stop(session, session->deadline_usec <= session->message_deadline_usec
                                  ? SESSION_TIMEOUT
                                  : SESSION_IDLE_TIMEOUT);
        return -1;
    }
    if (limit > 0 && waited >= limit) {
        session_stop(session, late);
        return -1;
    }
    *ret_wait = shorter(shorter(left, limit > 0 ? limit - waited : 0), A_DAY);
    return 0;
}

// Blocks for `wait` at most; `exactly`: not less either.
static ssize_t take(struct tcpd_session *session, const struct session_place *to, size_t size,
                    uint64_t wait, bool exactly)
{
    if (session->stage)
        return session_stage_take(session, to, size, wait);
    session_arm(session->fd, SO_RCVTIMEO, &session->receive_armed_usec, wait, exactly);
    if (to->pipe >= 0)
        return splice(session->fd, NULL, to->pipe, NULL, size, SPLICE_F_MOVE);
    return recv(session->fd, to->data, size, to->flags);
}

static ssize_t give(const struct tcpd_session *session, const struct session_place *from,
                    size_t size)
{
    if (from->pipe >= 0)
        return splice(from->pipe, NULL, session->fd, NULL, size, SPLICE_F_MOVE);
    return send(session->fd, from->data, size, MSG_NOSIGNAL);
}

// For how long a read has waited, and whether tcpd was stopping when it was last looked at.
struct waiting {
    uint64_t began_usec; // by the clock, if that counts
    uint64_t usec;
    bool is_stopping;
};

// After a call without a byte. A stop is a new beginning: what was waited for before it does not
// count against the time that it gives.
static void note_wait(struct tcpd_session *session, struct waiting *waiting, int error)
{
    if (!waiting->is_stopping && process_idle_usec() > 0) {
        waiting->is_stopping = session->is_ticking = true;
        waiting->began_usec = base_now_usec();
        waiting->usec = 0;
    } else if (session->is_ticking) {
        waiting->usec = base_now_usec() - waiting->began_usec;
    } else if (error == EAGAIN) {
        waiting->usec += session->receive_armed_usec;
    }
}

static ssize_t receive(struct tcpd_session *session, const struct session_place *to, size_t size)
{
    struct waiting waiting = {.is_stopping = process_idle_usec() > 0};
    uint64_t wait;

    session->is_ticking = session->is_ticking || waiting.is_stopping;
    waiting.began_usec = session->is_ticking ? base_now_usec() : 0;
    for (;;) {
        ssize_t n;

        if (session_kick_has_come())
            session_stop(session, SESSION_KICKED);
        if (session->result != SESSION_OK || read_wait(session, waiting.usec, &wait) < 0)
            return -1;
        n = take(session, to, size, wait, waiting.usec > 0);
        if (n == 0 && ((session->has_last && !to->is_part) || session_kick_has_come()))
            continue; // an empty message; or not the client's end
        if (n >= 0) {
            session_count_in(session, (uint64_t)n);
            session_note_end(session, n == 0 && !session->has_last);
            session->owes = (to->flags & MSG_TRUNC) == 0;
            return n;
        }
        if (errno != EAGAIN && errno != EINTR)
            return session_stop_by_errno(session, errno);
        note_wait(session, &waiting, errno);
    }
}

ssize_t session_receive(struct tcpd_session *session, const struct session_place *to, size_t size)
{
    ssize_t n;

    session_enter(session, DOING_READING);
    n = receive(session, to, size);
    session_leave(session);
    return n;
}

// How long the call of give() with that result has waited at least.
static uint64_t spent(const struct tcpd_session *session, ssize_t n, uint64_t limit)
{
    return n < 0 && errno == EAGAIN ? shorter(session->send_armed_usec, limit) : 0;
}

// Blocks until the kernel has taken the rest, or send_timeout for it or the session's deadline is
// over. A peer that takes a byte now and then does not extend either.
static int write_rest(struct tcpd_session *session, struct session_place from, size_t size)
{
    uint64_t limit = session->service->deadlines.send_usec;
    uint64_t began = session->is_ticking ? base_now_usec() : 0;
    uint64_t deadline = USEC_NEVER;
    // Within one send() a unix socket's timeout begins anew with every 32 KiB or so.
    size_t piece = session->is_unix ? UNIX_PIECE : SIZE_MAX;

    while (size > 0) {
        bool over;
        uint64_t left = time_left(session->deadline_usec, deadline, &over);
        ssize_t n;

        if (over) {
            session_stop(session, session->deadline_usec <= deadline ? SESSION_TIMEOUT
                                                                     : SESSION_SEND_TIMEOUT);
            return -1;
        }
        session_arm(session->fd, SO_SNDTIMEO, &session->send_armed_usec, shorter(left, limit),
                    deadline != USEC_NEVER);
        n = give(session, &from, size < piece ? size : piece);
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return session_stop_by_errno(session, errno);
        if (n > 0) {
            session_count_out(session, (uint64_t)n);
            from.data += from.pipe < 0 ? n : 0;
            size -= (size_t)n;
        }
        // The clock is looked at after the first call, in which the armed time may have gone by:
        // all of send_timeout, or less, where a write before was slow.
        if (size > 0 && limit > 0 && deadline == USEC_NEVER)
            deadline = limit + (began > 0 ? began : base_now_usec() - spent(session, n, limit));
    }
    return 0;
}

static int send_rest(struct tcpd_session *session, struct session_place from, size_t size)
{
    int r;

    session_enter(session, DOING_WRITING);
    r = write_rest(session, from, size);
    session_leave(session);
    return r;
}

int tcpd_write(struct tcpd_session *session, const void *data, size_t size)
{
    ssize_t n = 0;

    if (session->result != SESSION_OK)
        return -1;
    session->owes = false;
    if (session->stage)
        return session_stage_write(session, data, size, true);
    if (size <= SMALL_WRITE) { // no deadline is armed for what the kernel takes at once
        n = send(session->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n == (ssize_t)size) {
            session_count_out(session, size);
            session->n_turns++;
            session_leave(session);
            return 0;
        }
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return session_stop_by_errno(session, errno);
        n = n > 0 ? n : 0;
        session_count_out(session, (uint64_t)n);
    }
    return send_rest(session,
                     (struct session_place){.data = (uint8_t *)(uintptr_t)data + n, .pipe = -1},
                     size - (size_t)n);
}

int tcpd_write_part(struct tcpd_session *session, const void *data, size_t size, bool is_last)
{
    if (!session->stage)
        return tcpd_write(session, data, size);
    session->owes = false;
    return session->result == SESSION_OK ? session_stage_write(session, data, size, is_last) : -1;
}

int tcpd_splice_write(struct tcpd_session *session, int pipe, size_t size)
{
    if (session->stage)
        return session_stage_splice_write(session, pipe, size);
    session->owes = false;
    return session->result != SESSION_OK
               ? -1
               : send_rest(session, (struct session_place){.pipe = pipe}, size);
}

// Whether the client may still wait for something that a reset could destroy.
static bool has_last_word(const struct tcpd_session *session)
{
    int unsent = 1;

    // Of a stage the peer's end is one of its own; the socket's may be still to come.
    if ((session->peer_ended && !session->stage) || session->result == SESSION_RESET ||
        session->result == SESSION_PEER_LOST || session->result == SESSION_SEND_TIMEOUT ||
        session->result == SESSION_KICKED)
        return false;
    return session->result != SESSION_STOPPED || ioctl(session->fd, SIOCOUTQ, &unsent) < 0 ||
           unsent > 0;
}

static void close_connection(struct tcpd_session *session)
{
    if (session->result == SESSION_SEND_TIMEOUT || session_kick_resets())
        session_set_reset(session->fd);
    if (session->stage)
        session_stage_close(session);
    if (has_last_word(session)) {
        linger_keep(session->fd, session->deadline_usec);
        return;
    }
    session_kick_end();
    base_close_fd(&session->fd);
}

void session_close(struct tcpd_session *session)
{
    if (!session_is_datagram(session) && !session->is_run) // whose socket stays
        close_connection(session);
    session->fd = -1;
    give_back_buffer(session);
}
