// SPDX-License-Identifier: MIT
#include "client/datagram.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "client/trace.h"

#define INPUT_MAX    (64 * 1024)
#define UDP_MAX      65507 // bytes of a datagram over IPv4
#define RECEIVED_MAX (64 * 1024)

enum { INPUT, PEER, N_FDS };

struct conversation {
    struct peer *peer;
    enum framing framing;
    size_t n_sent, n_received; // datagrams
    bool has_ended;            // the input
    size_t n_input;            // bytes of it that were read and not yet sent
    uint8_t input[INPUT_MAX];
};

static uint8_t received[RECEIVED_MAX];

// 0; -EAGAIN: there is no room now.
static int send_datagram(struct peer *peer, const void *data, size_t size)
{
    ssize_t n = peer_write(peer, data, size);

    if (n < 0)
        return (int)n;
    trace_say("sent a datagram of %zu bytes", size);
    return 0;
}

// The bytes of one; -EAGAIN: there is none.
static ssize_t receive(struct peer *peer)
{
    ssize_t n = peer_read(peer, received, sizeof(received));

    if (n >= 0)
        trace_say("received a datagram of %zd bytes", n);
    return n;
}

static enum status tell(const struct peer *peer, int error, size_t size)
{
    if (error == -EMSGSIZE && size > 0)
        return status_say(STATUS_SYSTEM, "%s: %zu bytes are too many for a datagram", peer->name,
                          size);
    return status_tell(peer->name, error);
}

static enum status tell_output(int error)
{
    return status_say(STATUS_SYSTEM, "standard output: %s", strerror(-error));
}

// --- Texts -------------------------------------------------------------------------------------

static int wait_and_send(struct peer *peer, const char *text)
{
    int r;

    while ((r = send_datagram(peer, text, strlen(text))) == -EAGAIN) {
        r = peer_wait(peer, POLLOUT);
        if (r < 0)
            return r;
    }
    return r;
}

static ssize_t wait_and_receive(struct peer *peer)
{
    ssize_t n;

    while ((n = receive(peer)) == -EAGAIN) {
        int r = peer_wait(peer, POLLIN);

        if (r < 0)
            return r;
    }
    return n;
}

enum status datagram_ask(const struct ask *ask, struct peer *peer)
{
    for (size_t i = 0; i < ask->n_texts; i++) {
        int r = wait_and_send(peer, ask->texts[i]);
        ssize_t n;

        if (r < 0)
            return tell(peer, r, strlen(ask->texts[i]));
        n = wait_and_receive(peer);
        if (n < 0)
            return tell(peer, (int)n, 0);
        r = output_line(&ask->style, received, (size_t)n);
        if (r < 0)
            return tell_output(r);
    }
    return STATUS_DONE;
}

// --- Copying -----------------------------------------------------------------------------------

// The next one that the input holds, whole.
static bool find_next(const struct conversation *talk, struct message *ret)
{
    if (talk->framing == FRAMING_LINE)
        return framing_next(FRAMING_LINE, talk->input, talk->n_input, talk->has_ended, ret) == 1;
    *ret = (struct message){talk->input, talk->n_input, talk->n_input};
    return talk->n_input > 0;
}

static bool is_over(const struct conversation *talk)
{
    struct message next;

    return talk->has_ended && !find_next(talk, &next) && talk->n_received >= talk->n_sent;
}

// Each read is one datagram, of a size that can be sent.
static enum status read_input(struct conversation *talk)
{
    size_t room = sizeof(talk->input) - talk->n_input;
    ssize_t n;

    if (talk->framing == FRAMING_LINE && room == 0)
        return status_say(STATUS_SYSTEM, "standard input: a line is longer than %d bytes",
                          INPUT_MAX);
    if (talk->framing != FRAMING_LINE && room > UDP_MAX)
        room = UDP_MAX;
    n = read(STDIN_FILENO, talk->input + talk->n_input, room);
    if (n < 0 && errno != EAGAIN && errno != EINTR)
        return status_say(STATUS_SYSTEM, "standard input: %s", strerror(errno));
    talk->n_input += n > 0 ? (size_t)n : 0;
    talk->has_ended = n == 0;
    if (n == 0)
        trace_say("standard input ended");
    return STATUS_DONE;
}

// Sends what the input holds, as far as there is room.
static enum status send_input(struct conversation *talk)
{
    struct message next;

    while (find_next(talk, &next)) {
        int r = send_datagram(talk->peer, next.data, next.length);

        if (r == -EAGAIN)
            break;
        if (r < 0)
            return tell(talk->peer, r, next.length);
        talk->n_sent++;
        talk->n_input -= next.consumed;
        memmove(talk->input, talk->input + next.consumed, talk->n_input);
    }
    return STATUS_DONE;
}

static enum status print_received(struct conversation *talk)
{
    ssize_t n;

    while ((n = receive(talk->peer)) != -EAGAIN) {
        int r;

        if (n < 0)
            return tell(talk->peer, (int)n, 0);
        talk->n_received++;
        r = output_write(received, (size_t)n);
        if (r == 0 && talk->framing == FRAMING_LINE)
            r = output_write("\n", 1);
        if (r < 0)
            return tell_output(r);
    }
    return STATUS_DONE;
}

// Waits until there is something to do; the time counts while only the peer can go on.
static int wait_for_events(const struct conversation *talk, struct pollfd fds[N_FDS])
{
    struct message next;
    bool holds = find_next(talk, &next), reads = !talk->has_ended && !holds;

    fds[INPUT] = (struct pollfd){reads ? STDIN_FILENO : -1, POLLIN, 0};
    fds[PEER] = (struct pollfd){talk->peer->fd, (short)(POLLIN | (holds ? POLLOUT : 0)), 0};
    return peer_poll(fds, N_FDS, reads ? USEC_NEVER : peer_deadline(talk->peer->timeout_usec));
}

static enum status go_on(struct conversation *talk)
{
    struct pollfd fds[N_FDS];
    enum status status = STATUS_DONE;
    int r = wait_for_events(talk, fds);

    if (r == -ETIMEDOUT && talk->n_sent > 0)
        return status_say(STATUS_TIMED_OUT, "%s: timed out: %zu of %zu datagrams were answered",
                          talk->peer->name, talk->n_received, talk->n_sent);
    if (r < 0)
        return tell(talk->peer, r, 0);
    if (fds[PEER].revents)
        status = print_received(talk);
    if (status == STATUS_DONE && fds[INPUT].revents)
        status = read_input(talk);
    return status == STATUS_DONE ? send_input(talk) : status;
}

enum status datagram_copy(enum framing framing, struct peer *peer)
{
    static struct conversation talk;
    enum status status = STATUS_DONE;

    talk = (struct conversation){.peer = peer, .framing = framing};
    while (status == STATUS_DONE && !is_over(&talk))
        status = go_on(&talk);
    return status;
}
