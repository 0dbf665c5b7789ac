// SPDX-License-Identifier: MIT
// A relay between two ends, all in one thread: the ends send and read a piece when it is their time
// and never block, so a test decides the order of events. Counts the relay's idle wake-ups: poll()
// said that something is ready, and the step changed nothing.
#pragma once

#include <errno.h>
#include <netinet/tcp.h>

#include "pair.h"
#include "program/relay.h"

#define PATIENCE_USEC (30 * USEC_PER_SEC)

struct end {
    int fd;
    const uint8_t *text;
    size_t n_text, n_sent;
    size_t piece;      // bytes for each send() and recv(), 0: as many as go
    unsigned every_ms; // 0: as fast as it goes
    bool is_mute;      // does not read
    bool holds;        // does not end its side behind the text
    bool sends_last;   // nothing before the other's end
    bool answers;      // nothing before something has come
    uint8_t *got;      // of n_want bytes
    size_t n_got, n_want;
    bool has_shut, has_ended; // its own side, the other's
    int error;                // of recv()
    uint64_t next_usec;
};

struct bench {
    struct service service;
    struct pair near, far; // .server: the relay's
    struct tcpd_session session;
    struct relay relay;
    struct end ends[RELAY_ENDS];
    unsigned n_idle;
    uint64_t turned_usec, late_usec; // its last turn, or its start; the longest between two turns
};

// No byte waits for the acknowledgement of the one before.
static inline void send_at_once(const struct pair *pair)
{
    const int on = 1; // unix sockets refuse it, and need none

    (void)setsockopt(pair->client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(pair->server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static inline void bench_open(struct bench *bench, enum pair_kind kind, struct deadlines deadlines)
{
    *bench = (struct bench){.service = {.deadlines = deadlines}};
    bench->near = pair_open(kind);
    send_at_once(&bench->near);
    bench->far = pair_open(PAIR_UNIX);
    bench->session.peer.any.sa_family = kind == PAIR_UNIX ? AF_UNIX : AF_INET;
    session_init(&bench->session, bench->near.server, &bench->service);
    relay_open(&bench->relay, &bench->session, bench->far.server);
    bench->ends[RELAY_CLIENT].fd = bench->near.client;
    bench->ends[RELAY_FAR].fd = bench->far.client;
    bench->turned_usec = base_now_usec();
}

static inline void bench_close(struct bench *bench)
{
    relay_close(&bench->relay);
    pair_close(&bench->near);
    pair_close(&bench->far);
    for (int i = 0; i < RELAY_ENDS; i++)
        free(bench->ends[i].got);
}

// What this end sends, and the other is to get.
static inline void bench_text(struct bench *bench, enum relay_end from, const void *text, size_t n)
{
    struct end *to = &bench->ends[!from];

    bench->ends[from].text = text;
    bench->ends[from].n_text = n;
    to->n_want = n;
    to->got = malloc(n + 1);
    assert_non_null(to->got);
}

static inline void end_send(struct end *end)
{
    size_t left = end->n_text - end->n_sent;
    size_t size = end->piece > 0 && end->piece < left ? end->piece : left;
    ssize_t n;

    if ((end->sends_last && !end->has_ended) || (end->answers && end->n_got == 0))
        return;
    if (left > 0) {
        n = send(end->fd, end->text + end->n_sent, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        end->n_sent += n > 0 ? (size_t)n : 0;
    }
    if (end->n_sent == end->n_text && !end->holds && !end->has_shut) {
        end->has_shut = true;
        (void)shutdown(end->fd, SHUT_WR);
    }
}

static inline void end_receive(struct end *end)
{
    size_t room = end->n_want + 1 - end->n_got;
    ssize_t n;

    if (end->is_mute || end->has_ended || !end->got)
        return;
    n = recv(end->fd, end->got + end->n_got,
             end->piece > 0 && end->piece < room ? end->piece : room, MSG_DONTWAIT);
    end->n_got += n > 0 ? (size_t)n : 0;
    if (n > 0 || (n < 0 && errno == EAGAIN))
        return;
    end->has_ended = true;
    end->error = n < 0 ? errno : 0;
}

static inline void end_act(struct end *end)
{
    uint64_t now = base_now_usec();

    if (end->fd < 0 || now < end->next_usec)
        return;
    end->next_usec = now + end->every_ms * USEC_PER_MSEC;
    end_send(end);
    end_receive(end);
}

// All of the relay that a step can change, but for times.
static inline uint64_t relay_state(const struct relay *relay)
{
    uint64_t state = relay->session->bytes_in * 31 + relay->session->bytes_out * 37 +
                     (uint64_t)relay->session->result * 3 + relay->has_hung_up +
                     (uint64_t)relay->client_error * 7;

    for (int i = 0; i < RELAY_ENDS; i++)
        state = state * 101 + relay->ways[i].n * 8 + relay->ways[i].has_ended * 4U +
                relay->ways[i].is_dropped * 2U + relay->ways[i].is_over;
    return state;
}

static inline void bench_clock(struct bench *bench)
{
    uint64_t now = base_now_usec();

    if (now - bench->turned_usec > bench->late_usec)
        bench->late_usec = now - bench->turned_usec;
    bench->turned_usec = now;
}

// A loaded machine has held it up, so that a deadline may have come between.
static inline bool bench_was_late(const struct bench *bench)
{
    return bench->late_usec > 5 * USEC_PER_MSEC;
}

// One turn; waits for a millisecond at most. True when the relay is over.
static inline bool bench_turn(struct bench *bench)
{
    struct pollfd fds[RELAY_ENDS];
    uint64_t before = relay_state(&bench->relay);
    bool over;
    int n;

    bench_clock(bench);
    for (int i = 0; i < RELAY_ENDS; i++)
        end_act(&bench->ends[i]);
    relay_wants(&bench->relay, fds);
    n = poll(fds, RELAY_ENDS, 1);
    over = relay_step(&bench->relay, fds);
    bench->n_idle += n > 0 && relay_state(&bench->relay) == before;
    return over;
}

// Until the relay is over.
static inline void bench_run(const char *row, struct bench *bench)
{
    uint64_t limit = base_now_usec() + PATIENCE_USEC;

    while (!bench_turn(bench))
        check_true(row, base_now_usec() < limit);
    bench_clock(bench);
}

// So many turns, in which it must not be over.
static inline void bench_turns(const char *row, struct bench *bench, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        check_true(row, !bench_turn(bench));
}

// What is on its way comes to the ends; the relay does nothing any more.
static inline void bench_drain(const char *row, struct bench *bench)
{
    uint64_t limit = base_now_usec() + PATIENCE_USEC;

    for (int i = 0; i < RELAY_ENDS; i++)
        while (!bench->ends[i].has_ended) {
            end_act(&bench->ends[i]);
            check_true(row, base_now_usec() < limit);
        }
}

// That end got all that the other has sent, and nothing else.
static inline void check_got(const char *row, const struct bench *bench, enum relay_end at)
{
    const struct end *end = &bench->ends[at], *other = &bench->ends[!at];

    check_bytes(row, end->got, end->n_got, other->text, other->n_text);
}

static inline void check_result(const char *row, const struct bench *bench,
                                enum session_result want)
{
    if (bench->session.result != want)
        fail_msg("%s: \"%s\", not \"%s\"", row, session_result_names[bench->session.result],
                 session_result_names[want]);
}
