// SPDX-License-Identifier: MIT
// A way takes a bufferful, gives it, and only then takes the next: so an EAGAIN says without doubt
// which end is not ready, a full buffer waits for its reader alone, and nothing spins. poll(2) is
// asked for nothing that could not be acted on: a socket that has hung up is ready for ever.
//
// The bytes are copied: splice(2) through pipes was measured at 0.75 to 0.85 of the speed. The far
// end is a unix socket, whose buffers are not whole pages, so that it copies, too, in small pieces.

#include "program/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <stdalign.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "base/base.h"
#include "process/process.h"
#include "program/relay_private.h"

#define PAGE    4096         // of memory; of larger ones a multiple
#define ROOM    (128 * 1024) // a buffer's: what many programs read and write at once
#define MESSAGE (64 * 1024)  // the longest
#define PIECES  4            // of each way in one step
#define KEPT    (64 * 1024)  // bytes of a session that leave the buffers where they are

#define END_HELD_USEC (100 * USEC_PER_MSEC)

// A process has one relay at a time.
alignas(PAGE) static uint8_t buffers[RELAY_ENDS][ROOM];

static void set_nonblocking(int fd, bool on)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags >= 0) // fails on a dead fd only, as does the next
        (void)fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}

void relay_open(struct relay *relay, struct tcpd_session *session, int far)
{
    *relay = (struct relay){.session = session,
                            .fds = {[RELAY_CLIENT] = session->fd, [RELAY_FAR] = far},
                            .moved_usec = session->ready_usec,
                            .send_due_usec = USEC_NEVER,
                            .end_due_usec = USEC_NEVER};
    for (int i = 0; i < RELAY_ENDS; i++)
        set_nonblocking(relay->fds[i], true);
}

void relay_close(struct relay *relay)
{
    const struct tcpd_session *session = relay->session;

    set_nonblocking(relay->fds[RELAY_CLIENT], false); // its close waits for the client
    if (session->bytes_in + session->bytes_out > KEPT)
        (void)madvise(buffers, sizeof(buffers), MADV_DONTNEED); // an idle worker needs no memory
}

// Takes at most size bytes. > 0: how many; 0: the end; or -errno. -EMSGSIZE: a message of the far
// end does not fit; -EPROTO: the client's does not, or breaks its protocol in another way.
static ssize_t take(const struct relay *relay, enum relay_end from, size_t size)
{
    size_t most = relay->has_messages ? MESSAGE : ROOM;
    int flags = MSG_DONTWAIT | (relay->has_messages ? MSG_TRUNC : 0);
    ssize_t n;

    size = size < most ? size : most;
    n = from == RELAY_CLIENT ? session_take_now(relay->session, buffers[from], size)
                             : recv(relay->fds[from], buffers[from], size, flags);
    if (n < 0)
        return -errno;
    return (size_t)n > size ? -EMSGSIZE : n;
}

// Gives what is held, or a part of it. How many bytes, or -errno.
static ssize_t give(struct relay *relay, enum relay_end from)
{
    struct relay_way *way = &relay->ways[from];
    const uint8_t *bytes = buffers[from] + way->start;
    ssize_t n = from == RELAY_FAR
                    ? session_give_now(relay->session, bytes, way->n)
                    : send(relay->fds[RELAY_FAR], bytes, way->n, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (n < 0)
        return -errno;
    way->start += (size_t)n;
    way->n -= (size_t)n;
    return n;
}

static bool is_later(ssize_t r)
{
    return r == -EAGAIN || r == -EINTR;
}

// An error of the far end that is not its end: what it would lose, nobody could tell.
static void fail(struct relay *relay, int error)
{
    relay->far_error = error;
    session_stop(relay->session, SESSION_FAILED);
}

// It takes nothing any more; what it has sent is still there to be taken.
static void lose_client(struct relay *relay, int error)
{
    if (relay->client_error != 0)
        return;
    relay->client_error = error;
    relay->send_due_usec = USEC_NEVER;
    relay->ways[RELAY_FAR] = (struct relay_way){.has_ended = true, .is_over = true};
    (void)shutdown(relay->fds[RELAY_FAR], SHUT_RD); // so that its writing fails
}

static bool has_closed(int fd)
{
    struct pollfd end = {.fd = fd};

    return poll(&end, 1, 0) > 0 && (end.revents & POLLHUP) != 0;
}

// Fills an empty way. True: it holds bytes now, or has ended; false: nothing came.
static bool fill(struct relay *relay, enum relay_end from, size_t size)
{
    struct relay_way *way = &relay->ways[from];
    struct tcpd_session *session = relay->session;
    ssize_t n = take(relay, from, size);

    if (is_later(n))
        return false;
    if (n == -EPROTO && from == RELAY_CLIENT) {
        tcpd_refuse(session);
        return false;
    }
    if (n < 0 && from == RELAY_CLIENT)
        lose_client(relay, (int)-n);
    else if (n < 0 && n != -ECONNRESET && n != -EPIPE) {
        fail(relay, (int)-n);
        return false;
    }
    way->has_ended = n <= 0; // a far end that died with bytes unread resets the socket
    way->start = 0;
    way->n = n > 0 && !way->is_dropped ? (size_t)n : 0;
    if (n > 0) {
        relay->moved_usec = base_now_usec();
        relay->is_owed = from == RELAY_CLIENT && !way->is_dropped;
        relay->has_far_spoken |= from == RELAY_FAR;
    }
    if (from == RELAY_CLIENT) {
        session_count_in(session, n > 0 ? (uint64_t)n : 0);
        session_note_end(session, n == 0);
    } else if (n <= 0) {
        relay->end_due_usec = base_now_usec() + END_HELD_USEC;
        relay->is_far_closed = has_closed(relay->fds[RELAY_FAR]);
    } else if (session->service->deadlines.send_usec > 0) {
        relay->send_due_usec = relay->moved_usec + session->service->deadlines.send_usec;
    }
    return true;
}

// The far end reads no more: what the client sends is dropped from now on.
static void drop(struct relay *relay)
{
    struct relay_way *way = &relay->ways[RELAY_CLIENT];

    way->is_dropped = true;
    way->n = 0;
}

// Whether the client's stage keeps nothing of what it has taken; an error there comes again.
static bool is_flushed(const struct relay *relay)
{
    struct stage *stage = relay->session->stage;

    return !stage || stage_flush(stage, MSG_DONTWAIT) == 0 || !is_later(-errno);
}

// Empties a way. True: it is empty, and nothing of it is on its way; false: the other end takes no
// more now, or never.
static bool pour(struct relay *relay, enum relay_end from)
{
    struct relay_way *way = &relay->ways[from];
    struct tcpd_session *session = relay->session;

    while (way->n > 0) {
        ssize_t n = give(relay, from);

        if (is_later(n))
            return false;
        if (from == RELAY_CLIENT && (n == -EPIPE || n == -ECONNRESET)) {
            drop(relay);
            return true;
        }
        if (n < 0 && from == RELAY_CLIENT) {
            fail(relay, (int)-n);
            return false;
        }
        if (n == -EILSEQ) { // the program's fault, not the client's end
            tcpd_fail(session);
            return false;
        }
        if (n < 0) {
            lose_client(relay, (int)-n);
            return false;
        }
        relay->moved_usec = base_now_usec();
        if (from == RELAY_FAR)
            session_count_out(session, (uint64_t)n);
    }
    if (from == RELAY_CLIENT)
        return true;
    if (!is_flushed(relay))
        return false;
    relay->send_due_usec = USEC_NEVER;
    return true;
}

// Passes the end on, if it can be now. A socket that cannot be told is dead, and whoever uses it
// next is told so.
static void end_way(struct relay *relay, enum relay_end from)
{
    bool is_over = true;

    if (from == RELAY_FAR)
        is_over = session_end_output(relay->session);
    else
        (void)shutdown(relay->fds[RELAY_FAR], SHUT_WR);
    relay->ways[from].is_over = is_over;
}

static void pass_ends_on(struct relay *relay)
{
    for (int i = 0; i < RELAY_ENDS; i++) {
        const struct relay_way *way = &relay->ways[i];

        if (way->has_ended && way->n == 0 && !way->is_over &&
            !relay_is_held(relay, (enum relay_end)i))
            end_way(relay, (enum relay_end)i);
    }
}

static void move(struct relay *relay, enum relay_end from)
{
    struct relay_way *way = &relay->ways[from];

    for (int i = 0; i < PIECES && relay->session->result == SESSION_OK; i++) {
        if (way->n == 0 && !way->has_ended && !fill(relay, from, ROOM))
            return;
        if (!pour(relay, from) || way->has_ended)
            return;
    }
}

// Whether the way waits for the end where it leads to: to take bytes, or their end.
static bool is_full(const struct relay *relay, int from)
{
    const struct relay_way *way = &relay->ways[from];

    return way->n > 0 ||
           (way->has_ended && !way->is_over && !relay_is_held(relay, (enum relay_end)from));
}

void relay_wants(const struct relay *relay, struct pollfd ret_fds[RELAY_ENDS])
{
    for (int i = 0; i < RELAY_ENDS; i++) {
        const struct relay_way *from = &relay->ways[i];
        int events = (relay_way_is_open(from) ? POLLIN : 0) | (is_full(relay, !i) ? POLLOUT : 0);
        // A client's reset is of interest at any time; a program's end is seen elsewhere.
        bool is_watched = events != 0 || (i == RELAY_CLIENT && !relay->has_hung_up);

        ret_fds[i] = (struct pollfd){.fd = is_watched ? relay->fds[i] : -1,
                                     .events = (short)events};
    }
    if (relay->session->stage)
        ret_fds[RELAY_CLIENT].events = stage_wants(relay->session->stage,
                                                   ret_fds[RELAY_CLIENT].events);
}

// An error of the client's socket that neither reading nor writing would meet now.
static void look_at_client(struct relay *relay, const struct pollfd *client)
{
    int error = 0;
    socklen_t length = sizeof(error);

    if (client->fd < 0 || client->events != 0 || !(client->revents & (POLLERR | POLLHUP)))
        return;
    relay->has_hung_up = true;
    if ((client->revents & POLLERR) &&
        getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error != 0)
        lose_client(relay, error);
}

bool relay_step(struct relay *relay, const struct pollfd *fds)
{
    const struct tcpd_session *session = relay->session;

    if (relay->stop_usec == 0 && process_idle_usec() > 0)
        relay->stop_usec = base_now_usec();
    if (fds)
        look_at_client(relay, &fds[RELAY_CLIENT]);
    if (session->stage && fds && (fds[RELAY_CLIENT].revents & POLLOUT))
        (void)stage_flush(session->stage, MSG_DONTWAIT); // what fails there fails again
    for (int i = 0; i < RELAY_ENDS; i++)
        if (!fds || fds[relay->ways[i].n > 0 ? !i : i].revents != 0 ||
            (i == RELAY_CLIENT && relay_stage_due(relay) <= base_now_usec()))
            move(relay, (enum relay_end)i);
    if (session->result == SESSION_OK)
        pass_ends_on(relay);
    if (relay->ways[RELAY_FAR].n == 0 && relay->send_due_usec != USEC_NEVER)
        (void)pour(relay, RELAY_FAR); // the client may have all of it by now
    relay_keep_deadlines(relay);
    return session->result != SESSION_OK ||
           (relay->ways[RELAY_CLIENT].is_over && relay->ways[RELAY_FAR].is_over);
}

uint64_t relay_unread(const struct relay *relay)
{
    uint64_t n = relay->ways[RELAY_CLIENT].n;
    int unread = 0;

    if (ioctl(relay->fds[RELAY_CLIENT], SIOCINQ, &unread) == 0)
        n += (uint64_t)unread;
    unread = 0;
    if (ioctl(relay->fds[RELAY_FAR], SIOCOUTQ, &unread) == 0)
        n += (uint64_t)unread;
    return n;
}

// Blocks until the client takes more. False: the session has ended.
static bool wait_for_client(struct relay *relay)
{
    struct pollfd client = {.fd = relay->fds[RELAY_CLIENT], .events = POLLOUT};
    uint64_t due = relay_limit(relay), now = base_now_usec();
    struct timespec wait = base_timespec(due > now ? due - now : 0);

    (void)ppoll(&client, 1, due == USEC_NEVER ? NULL : &wait, NULL);
    relay_keep_deadlines(relay);
    return relay->session->result == SESSION_OK;
}

void relay_finish(struct relay *relay)
{
    struct relay_way *way = &relay->ways[RELAY_FAR];
    uint64_t limit = relay->session->service->deadlines.send_usec;
    int unread = 0; // what others write from now on is not the program's

    drop(relay);
    if (relay->send_due_usec == USEC_NEVER && limit > 0)
        relay->send_due_usec = base_now_usec() + limit;
    (void)ioctl(relay->fds[RELAY_FAR], SIOCINQ, &unread); // cannot fail on a connected socket
    while (relay->session->result == SESSION_OK) {
        if (!pour(relay, RELAY_FAR)) {
            if (relay->session->result == SESSION_OK && !wait_for_client(relay))
                return;
            continue;
        }
        if (unread <= 0 || way->has_ended || !fill(relay, RELAY_FAR, (size_t)unread))
            break;
        unread -= (int)way->n;
    }
}

void relay_end(struct relay *relay)
{
    if (!relay->ways[RELAY_FAR].is_over)
        end_way(relay, RELAY_FAR);
}
