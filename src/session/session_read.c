// SPDX-License-Identifier: MIT
// What handlers call to read and to know their session: tcpd/handler.h. Only reading by the line
// takes more from the socket than was asked for; what it took is given out first by all others.
// Logs nothing.

#include <errno.h>
#include <string.h>

#include "base/address.h"
#include "base/base.h"
#include "process/process.h"
#include "session/session.h"
#include "session/session_kick.h"
#include "session/session_private.h"

static char lines[TCPD_LINE_MAX + 3]; // a line, its CRLF and a NUL
static volatile unsigned n_signs;     // of life, for a signal handler

bool tcpd_stopping(void)
{
    session_sign();
    return process_stopping();
}

void session_sign(void)
{
    n_signs++;
}

unsigned session_signs(void)
{
    return n_signs;
}

// At most size of the bytes that were read ahead; where they are and how many.
static size_t take_ahead(struct tcpd_session *session, size_t size, const uint8_t **ret)
{
    size_t n = session->n_ahead < size ? session->n_ahead : size;

    *ret = session->ahead;
    session->ahead += n;
    session->n_ahead -= n;
    session_sign();
    return n;
}

ssize_t tcpd_read(struct tcpd_session *session, void *buffer, size_t size)
{
    const uint8_t *ahead;
    size_t n;

    if (size == 0)
        return 0; // recv(2) would say that the peer has ended
    if (session->n_ahead == 0 || session->result != SESSION_OK)
        return session_receive(session, &(struct session_place){.data = buffer, .pipe = -1}, size);
    n = take_ahead(session, size, &ahead);
    memcpy(buffer, ahead, n);
    return (ssize_t)n;
}

static bool has_messages(const struct tcpd_session *session)
{
    return session->stage && session->stage->ops->has_messages;
}

bool session_is_datagram(const struct tcpd_session *session)
{
    return session->stage && session->stage->ops->is_datagram;
}

int tcpd_kind(const struct tcpd_session *session)
{
    if (session_is_datagram(session))
        return TCPD_DATAGRAMS;
    return has_messages(session) ? TCPD_MESSAGES : TCPD_STREAMS;
}

int tcpd_read_part(struct tcpd_session *session, void *buffer, size_t size, size_t *ret_n)
{
    struct session_place to = {.data = buffer, .pipe = -1, .is_part = true};
    ssize_t n = session->n_ahead > 0 ? tcpd_read(session, buffer, size)
                                     : session_receive(session, &to, size);
    bool is_last = !has_messages(session) || (session->has_last && session->n_ahead == 0);

    *ret_n = n > 0 ? (size_t)n : 0;
    if (n < 0 || session->peer_ended)
        return (int)n;
    return is_last ? TCPD_LAST : TCPD_PART;
}

ssize_t tcpd_read_exactly(struct tcpd_session *session, void *buffer, size_t size)
{
    size_t done = 0;

    while (done < size) {
        ssize_t n = tcpd_read(session, (uint8_t *)buffer + done, size - done);

        if (n < 0)
            return -1;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

// Takes a line of that length out of what was read ahead, and its end of n_end bytes.
static ssize_t cut_line(struct tcpd_session *session, size_t length, size_t n_end, char **ret_line)
{
    const uint8_t *ahead;

    (void)take_ahead(session, length + n_end, &ahead);
    *ret_line = lines + (ahead - (const uint8_t *)lines);
    if (n_end > 0 && length > 0 && (*ret_line)[length - 1] == '\r')
        length--;
    if (length > TCPD_LINE_MAX) {
        tcpd_refuse(session);
        return -1;
    }
    (*ret_line)[length] = '\0';
    return (ssize_t)length;
}

ssize_t tcpd_read_line(struct tcpd_session *session, char **ret_line)
{
    size_t searched = 0;

    while (session->result == SESSION_OK) {
        const uint8_t *end = session->n_ahead > searched ? memchr(session->ahead + searched, '\n',
                                                                  session->n_ahead - searched)
                                                         : NULL;
        size_t n = session->n_ahead;
        ssize_t more;

        if (end)
            return cut_line(session, (size_t)(end - session->ahead), 1, ret_line);
        if (n > 0 && session->ahead != (const uint8_t *)lines)
            memmove(lines, session->ahead, n);
        if (n >= sizeof(lines) - 1) {
            tcpd_refuse(session);
            break;
        }
        session->n_ahead = 0;
        more = tcpd_read(session, lines + n, sizeof(lines) - 1 - n);
        session->ahead = (const uint8_t *)lines;
        session->n_ahead = n + (more > 0 ? (size_t)more : 0);
        if (more == 0 && n > 0)
            return cut_line(session, n, 0, ret_line);
        if (more <= 0)
            break;
        searched = n;
    }
    return -1;
}

ssize_t tcpd_splice_read(struct tcpd_session *session, int pipe, size_t size)
{
    const uint8_t *ahead;

    if (session->stage)
        return session_stage_splice_read(session, pipe, size);
    if (session->n_ahead == 0 || session->result != SESSION_OK)
        return session_receive(session, &(struct session_place){.pipe = pipe}, size);
    size = take_ahead(session, size, &ahead);
    return write(pipe, ahead, size); // it is empty and has room
}

ssize_t tcpd_discard(struct tcpd_session *session)
{
    const uint8_t *ahead;

    if (session->n_ahead > 0 && session->result == SESSION_OK)
        return (ssize_t)take_ahead(session, session->n_ahead, &ahead);
    // TCP drops the bytes unseen; a unix socket ignores MSG_TRUNC and fills the buffer.
    return session_receive(
        session, &(struct session_place){.data = tcpd_buffer(), .pipe = -1, .flags = MSG_TRUNC},
        TCPD_BUFFER_SIZE);
}

bool tcpd_discard_pending(struct tcpd_session *session)
{
    session->n_ahead = 0;
    for (int i = 0; i < 16; i++) { // a peer that floods must not keep the handler here
        uint8_t dropped[4096];
        ssize_t n = session->stage
                        ? session_take_now(session, dropped, sizeof(dropped))
                        : recv(session->fd, dropped, sizeof(dropped), MSG_DONTWAIT | MSG_TRUNC);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return false;
        if (n < 0)
            (void)session_stop_by_errno(session, errno);
        if (n <= 0) {
            session->peer_ended = n == 0;
            return true;
        }
        session_count_in(session, (uint64_t)n);
        session_sign();
    }
    return false;
}

void tcpd_expect_message(struct tcpd_session *session)
{
    uint64_t limit = session->service->deadlines.idle_usec;

    session->message_deadline_usec = limit > 0 ? base_now_usec() + limit : USEC_NEVER;
}

int tcpd_pause(struct tcpd_session *session, uint64_t usec)
{
    uint64_t now = base_now_usec();
    uint64_t left = session->deadline_usec > now ? session->deadline_usec - now : 0;
    uint64_t until = usec < left ? now + usec : session->deadline_usec;

    if (session->result != SESSION_OK)
        return -1;
    session_sign();
    session->n_turns++; // no reading or writing, but no hanging either
    for (; now < until && !session_kick_has_come(); now = base_now_usec()) {
        struct timespec rest = base_timespec(until - now);

        (void)nanosleep(&rest, NULL); // a signal shortens one round only
    }
    session_leave(session);
    if (until < session->deadline_usec && !session_kick_has_come())
        return 0;
    session_stop(session, SESSION_TIMEOUT);
    return -1;
}

void tcpd_refuse(struct tcpd_session *session)
{
    session_stop(session, SESSION_PROTOCOL_ERROR);
}

void tcpd_fail(struct tcpd_session *session)
{
    session_stop(session, SESSION_FAILED);
}

uint64_t tcpd_deadline(const struct tcpd_session *session)
{
    return session->deadline_usec;
}

const struct sockaddr *tcpd_peer(const struct tcpd_session *session, socklen_t *ret_length)
{
    *ret_length = session->peer_length;
    return &session->peer.any;
}

const struct sockaddr *tcpd_proxy(const struct tcpd_session *session, socklen_t *ret_length)
{
    *ret_length = session->header ? session->sender.length : 0;
    return session->header ? &session->sender.any : NULL;
}

int session_own_address(const struct tcpd_session *session, struct sockaddr_storage *ret,
                        socklen_t *ret_length)
{
    const struct stage *stage = session->stage;

    if (stage && stage->ops->local) {
        *ret_length = stage->ops->local(stage, ret);
        return 0;
    }
    *ret_length = sizeof(*ret);
    return getsockname(session->fd, (struct sockaddr *)ret, ret_length) < 0 ? -errno : 0;
}

int tcpd_local(const struct tcpd_session *session, struct sockaddr_storage *ret,
               socklen_t *ret_length)
{
    if (session->destination.length == 0)
        return session_own_address(session, ret, ret_length);
    *ret = session->destination.storage;
    *ret_length = session->destination.length;
    return 0;
}

const char *tcpd_peer_text(const struct tcpd_session *session)
{
    static char text[ADDRESS_TEXT_MAX];

    return address_format(&session->peer.any, session->peer_length, text, sizeof(text));
}
