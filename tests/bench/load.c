// SPDX-License-Identifier: MIT
// Load generator that verifies every byte: one thread, one epoll set, N connections in flight. What
// is sent and what must come back are windows into a periodic table, so checking is one memcmp()
// and a byte lost, doubled, swapped or taken from another connection shows. Every operation has a
// time limit, so nothing hangs. Exit status: 0 no error, 1 errors counted, 64 usage, 71 no run
// possible.

#include <err.h>
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "load_connection.h"
#include "load_hold.h"
#include "load_modes.h"
#include "load_options.h"
#include "load_pattern.h"
#include "load_report.h"
#include "load_socket.h"
#include "load_stats.h"
#include "load_tls.h"
#include "load_ws.h"

#define LOOKS      200  // about 50 us
#define CHECK_MSEC 20   // how late a time limit may be noticed
#define GIVE_UP    1000 // errors after which a run has nothing more to tell

static int epoll_fd = -1;
static bool stopping, is_over; // the time; the burst
static uint64_t n_started, n_open, n_held;

static void watch(struct connection *c, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = c};

    if (c->events == events)
        return;
    if (epoll_ctl(epoll_fd, c->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, c->fd, &event) < 0)
        err(71, "epoll_ctl");
    c->events = events;
}

static void start_operation(struct connection *c)
{
    n_started++;
    c->started_usec = now_usec;
    c->limit_usec = now_usec + option.limit_usec;
    if (option.mode->sends)
        c->send_goal += option.size;
    if (option.mode->receives)
        c->receive_goal += option.size;
}

static bool want_another(void)
{
    return !stopping && n_started < option.count && stats.n_errors < GIVE_UP;
}

// With --rate: sleeps until the next connection may begin. Up to a millisecond's worth begin at
// once, as more wake-ups would cost more than they are for.
static void wait_turn(void)
{
    static uint64_t began_usec;
    uint64_t due_usec;

    if (option.rate == 0)
        return;
    if (began_usec == 0)
        began_usec = now_usec;
    due_usec = began_usec + n_started * USEC_PER_SEC / option.rate;
    if (due_usec > now_usec + USEC_PER_MSEC)
        (void)usleep((useconds_t)(due_usec - now_usec));
}

// Opens the socket and starts to connect. Whatever it returns, c->fd is open.
static int open_socket(struct connection *c)
{
    static uint32_t serial;

    *c = (struct connection){.seed = pattern_seed(serial), .fd = socket_open(serial)};
    serial++;
    n_open++;
    if (option.ca_file)
        tls_open(&c->tls, c->fd);
    return socket_connect(c->fd);
}

static void close_connection(struct connection *c)
{
    if (option.ca_file) {
        tls_end(&c->tls);
        tls_free(c->tls.ssl);
    }
    close(c->fd);
    c->fd = -1;
    n_open--;
    n_held -= c->is_held;
}

static void finish(struct connection *c)
{
    stats_add(&stats, now_usec - c->started_usec);
    close_connection(c);
}

static bool is_at_goal(const struct connection *c)
{
    return !c->awaits_end && c->sent == c->send_goal && c->received == c->receive_goal;
}

// One of a burst was answered: the first time it waits for the others, the second time it is done.
static void hold(struct connection *c)
{
    if (c->is_held)
        return;
    if (is_over) {
        stats.n_again++;
        close_connection(c);
        return;
    }
    stats_add(&stats, now_usec - c->started_usec);
    stats.answered_usec = now_usec;
    c->is_held = true;
    c->limit_usec = FOREVER;
    n_held++;
}

// All was sent and all was received. True when another round of messages begins.
static bool leave_goal(struct connection *c)
{
    enum next next = option.mode->next;

    if ((next == NEXT_CLOSE && !option.half_close && !option.opcode) || next == NEXT_HOLD) {
        (next == NEXT_HOLD ? hold : finish)(c);
        return false;
    }
    if (next == NEXT_ROUND) {
        stats_add(&stats, now_usec - c->started_usec);
        if (want_another()) {
            start_operation(c);
            return true;
        }
    }
    if (option.socket_type == SOCK_DGRAM) {
        close_connection(c); // there is no end to wait for
        return false;
    }
    c->awaits_end = true;
    c->limit_usec = now_usec + option.limit_usec;
    if (next != NEXT_PEER_ENDS || option.half_close)
        end_writing(c);
    return false;
}

static int meet_end(struct connection *c)
{
    if (!c->awaits_end || (option.opcode && !c->ws.is_closed))
        return -ENODATA;
    if (option.mode->next == NEXT_ROUND)
        close_connection(c); // its rounds are counted
    else
        finish(c);
    return 0;
}

// Carries a connection as far as it goes without blocking. Returns 0, also when it came to its good
// end and is closed, or the error that ends it.
static int step(struct connection *c, uint32_t events)
{
    bool has_more = events && option.ca_file; // OpenSSL may have what epoll does not know of
    ssize_t n = BLOCK;
    int r;

    for (int i = 0; i < TURNS && n == BLOCK; i++) {
        n = events & ~(uint32_t)EPOLLOUT || has_more ? receive_some(c) : -EAGAIN;
        if (n == 0)
            return meet_end(c);
        if (n < 0 && n != -EAGAIN)
            return (int)n;
        do {
            r = send_some(c);
            if (r < 0)
                return r;
        } while (is_at_goal(c) && leave_goal(c));
        if (c->fd < 0)
            return 0;
    }
    watch(c, may_send(c) || n == BLOCK ? EPOLLIN | EPOLLOUT : EPOLLIN);
    return 0;
}

static void fail(struct connection *c, int error)
{
    if (option.mode->next == NEXT_RESET && error == -ECONNRESET) {
        finish(c);
        return;
    }
    if (stats.n_errors == 0)
        warnx("first error, after %" PRIu64 " bytes: %s", c->received, strerror(-error));
    stats_fail(&stats, error);
    close_connection(c);
}

static void open_connection(struct connection *c)
{
    while (c->fd < 0 && want_another()) {
        now_usec = base_now_usec();
        wait_turn();

        int r = open_socket(c);

        start_operation(c);
        if (r == 0)
            r = step(c, 0);
        if (r < 0)
            fail(c, r);
    }
}

static void resume(struct connection *c, uint32_t events)
{
    int r;

    now_usec = base_now_usec();
    r = step(c, events);
    if (r < 0)
        fail(c, r);
    if (c->fd < 0 && option.mode->reconnects)
        open_connection(c);
}

// The time is over: streams end where they are, everything else ends its operation.
static void stop(struct connection *all)
{
    stopping = true;
    for (size_t i = 0; i < option.n_in_flight && option.mode->stream; i++) {
        struct connection *c = &all[i];

        if (c->fd < 0)
            continue;
        c->send_goal = c->sent + c->tls.n_pending;
        c->receive_goal = option.mode->sends && option.mode->receives ? c->send_goal : c->received;
        resume(c, 0);
    }
}

static void check_limits(struct connection *all)
{
    for (size_t i = 0; i < option.n_in_flight; i++) {
        struct connection *c = &all[i];

        if (c->fd < 0 || now_usec < c->limit_usec)
            continue;
        fail(c, -ETIMEDOUT);
        if (option.mode->reconnects)
            open_connection(c);
    }
}

// With a single connection in flight our own wake-up would be a third of every round trip: look a
// while before sleeping.
static int wait_for_events(struct epoll_event *events, int n_events)
{
    int turns = option.n_in_flight == 1 && !option.mode->stream ? LOOKS : 0;

    for (int i = 0; i < turns; i++) {
        int n = epoll_wait(epoll_fd, events, n_events, 0);

        if (n != 0)
            return n;
    }
    return epoll_wait(epoll_fd, events, n_events, CHECK_MSEC);
}

static void use_again(struct connection *c)
{
    n_held--;
    c->is_held = false;
    start_operation(c);
    resume(c, 0);
}

// Ends the burst when nobody is without an answer, but for --hold not before standard input ends.
static void end_burst(struct connection *all)
{
    if (is_over || want_another() || n_held < n_open || (option.hold && !hold_is_over()))
        return;
    is_over = true;
    for (size_t i = 0; i < option.n_in_flight; i++) {
        struct connection *c = &all[i];

        if (c->fd >= 0 && option.hold)
            use_again(c);
        else if (c->fd >= 0)
            close_connection(c);
    }
}

static void run(struct connection *all)
{
    uint64_t end_usec = base_now_usec() + option.run_usec, check_usec = 0;
    struct epoll_event events[64];

    for (size_t i = 0; i < option.n_in_flight; i++) {
        all[i].fd = -1;
        open_connection(&all[i]);
    }
    while (n_open > 0) {
        int n = wait_for_events(events, ELEMENTS(events));

        for (int i = 0; i < n; i++)
            resume(events[i].data.ptr, events[i].events);
        if (option.mode->next == NEXT_HOLD)
            end_burst(all);
        now_usec = base_now_usec();
        if (!stopping && now_usec >= end_usec)
            stop(all);
        if (now_usec < check_usec)
            continue;
        check_limits(all);
        check_usec = now_usec + CHECK_MSEC * USEC_PER_MSEC;
    }
}

int main(int argc, char **argv)
{
    struct connection *all;
    uint64_t began_usec;

    options_parse(argc, argv);
    options_complete();
    options_raise_files();
    pattern_init();
    if (option.ca_file)
        tls_init();
    all = calloc(option.n_in_flight, sizeof(*all));
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!all || epoll_fd < 0)
        err(71, "epoll");
    began_usec = base_now_usec();
    run(all);
    report_print(&stats, began_usec, base_now_usec());
    free(all);
    return stats.n_errors > 0;
}
