// SPDX-License-Identifier: MIT
// The child's side. tcpd forks without exec, so the set-up list here must be complete: whatever the
// master has and a worker must not is given up in worker_setup(), and a test compares the result
// with /proc. The accept loop loses nothing at TERM: process/process.c says how.

#include "worker/worker.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>

#include "base/address.h"
#include "base/base.h"
#include "board/node_page.h"
#include "board/scoreboard.h"
#include "config/handler.h"
#include "log/log.h"
#include "process/hiding.h"
#include "process/privileges.h"
#include "process/process.h"
#include "process/title.h"
#include "session/linger.h"
#include "session/serving.h"
#include "session/session.h"
#include "session/session_batch.h"
#include "session/session_kick.h"
#include "session/session_log.h"
#include "session/session_record.h"
#include "worker/accept_error.h"
#include "worker/accept_wait.h"
#include "worker/admission.h"
#include "worker/receive.h"

#define ORPHAN_SEC     30 // where stop_timeout is off
#define ORPHAN_MAX_SEC 3600

static_assert(SESSION_RESULTS <= SCORE_RESULTS, "a count for each result");

struct self {
    const struct worker_setup *setup;
    const struct tcpd_handler *face;
    struct score_page *page;
    struct pool_hint *hint;
    struct score_counts *counts;
    struct accept_wait wait;
    struct receiver receiver;
    struct admission admission;
    struct accept_backoff backoff;
    unsigned sessions_left;  // 0: no limit
    bool waiting;            // counted in hint->reserve
    size_t title, title_end; // its length, and with a peer
    bool announced;          // the master knows that it has come to accept()
};

// Gives the random part of a limit, so that workers started together do not retire together.
static unsigned with_jitter(unsigned limit)
{
    return limit > 8 ? limit - arc4random_uniform(limit / 8 + 1) : limit;
}

// How long a session may go on without a master; nobody else could end one that hangs.
static unsigned orphan_sec(uint64_t stop_usec)
{
    if (stop_usec == 0)
        return ORPHAN_SEC;
    return stop_usec < ORPHAN_MAX_SEC * USEC_PER_SEC
               ? (unsigned)((stop_usec + USEC_PER_SEC - 1) / USEC_PER_SEC)
               : ORPHAN_MAX_SEC;
}

// What a module writes by itself goes there, while records go where they went.
static void divert_output(int text)
{
    log_leave_standard_error();
    (void)dup2(text, STDOUT_FILENO); // both are open, so it cannot fail
    (void)dup2(text, STDERR_FILENO);
    (void)close(text);
}

// How the process is called: "tcpd: echo 127.0.0.1:7007 worker".
static void set_title(struct self *self)
{
    char title[ADDRESS_TEXT_MAX + 128];

    (void)snprintf(title, sizeof(title), "tcpd: %s worker", self->setup->name);
    self->title = self->title_end = title_set(title);
}

static int worker_setup(struct self *self)
{
    const struct worker_setup *setup = self->setup;
    struct process_duty duty = {
        .master = setup->master_pid,
        .listener = setup->listener,
        .dead_socket = setup->dead_socket,
        .orphan_sec = orphan_sec(setup->config->stop_timeout_usec),
    };
    int keep[] = {setup->listener, setup->dead_socket, setup->scoreboard, setup->wake, setup->text};
    int r;

    if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0)
        return -errno;
    if (getppid() != setup->master_pid)
        _exit(WORKER_EXIT_ORPHANED); // it died before PDEATHSIG was set
    r = process_close_all_but(keep, ELEMENTS(keep));
    if (r < 0)
        return r;
    log_begin_child();
    if (!setup->service->handler->is_agent)
        node_page_forget();
    if (setup->text >= 0)
        divert_output(setup->text);
    if (setup->service->core_dumps)
        hiding_end();
    if (!setup->service->new_privileges)
        privileges_give_up();
    r = scoreboard_join(setup->scoreboard, setup->slot, setup->pool, &self->page, &self->hint);
    if (r < 0)
        return r;
    (void)close(setup->scoreboard);
    self->counts = score_counts(self->page);
    r = setup->service->accepts_itself ? 0 : receive_prepare(&self->receiver, setup);
    if (r < 0)
        return r;
    set_title(self);
    self->sessions_left = with_jitter(setup->service->max_sessions_per_worker);
    r = session_kick_open();
    if (r == 0)
        r = process_catch_signals(&duty);
    return r < 0 ? r
                 : sandbox_enter(setup->sandbox, sandbox_kind_of(setup->service), setup->listener,
                                 score_forbidden(self->page));
}

static void wake_master(const struct self *self)
{
    (void)eventfd_write(self->setup->wake, 1); // a full counter wakes it just the same
}

static void show_idle(struct self *self, enum worker_state state)
{
    self->wait.idle_usec = base_now_usec();
    score_idle(self->page, state, self->wait.idle_usec);
}

// True when it was called, and is counted among those in accept().
static bool wait_in_reserve(struct self *self)
{
    int r;

    session_log_flush(&self->hint->quota, -1); // it may be hours
    r = process_wait_in_reserve(&self->hint->reserve);
    if (r == 0)
        show_idle(self, WORKER_IDLE);
    return r == 0;
}

// Makes the worker one of the idle ones; blocks while it is not needed in accept().
static void enter_idle(struct self *self)
{
    bool joined;

    if (self->waiting)
        return;
    joined = reserve_join(&self->hint->reserve, self->setup->service->max_workers > RESERVE_ABOVE);
    show_idle(self, joined ? WORKER_IDLE : WORKER_PARKED);
    if (!self->announced)
        wake_master(self); // it may be waiting for its pools to be ready
    self->announced = true;
    self->waiting = joined || wait_in_reserve(self);
}

static void count_end(const struct self *self, const struct tcpd_session *session)
{
    uint64_t duration = session->ended_usec - session->started_usec;

    score_add(&self->counts->results[session->result], 1);
    score_observe(&self->counts->duration, duration, 1);
    if (!session->is_run && session_is_slow(session->service, duration))
        score_add(&self->counts->slow, 1);
}

static void enter_busy(struct self *self, struct tcpd_session *session)
{
    int32_t idle = reserve_leave(&self->hint->reserve);

    self->waiting = false;
    score_busy(self->page, session->started_usec, &session->peer.any);
    accept_wait_count(&self->wait, session, idle > 0, &self->counts->wait);
    if (score_wakes(self->hint, idle))
        wake_master(self);
}

// Of datagrams a worker may serve several peers at once, and thousands in a second.
static void show_peer(struct self *self, const struct tcpd_session *session)
{
    static const char begin[] = ", serving ";
    enum log_addresses addresses = self->setup->config->log_addresses;
    char text[sizeof(begin) + ADDRESS_TEXT_MAX];

    if (addresses == LOG_ADDRESSES_NONE || session_is_datagram(session) || session->is_run)
        return;
    memcpy(text, begin, sizeof(begin));
    (void)session_log_peer(&session->peer.any, session->peer_length, addresses,
                           text + sizeof(begin) - 1, sizeof(text) - sizeof(begin) + 1);
    self->title_end = title_add(self->title, text, self->title_end);
}

// Where the socket is the listener's, others have it, too.
static void begin_session(struct self *self, struct tcpd_session *session)
{
    score_add(&self->counts->begun, 1);
    session->number = self->counts->begun;
    if (!session_is_datagram(session) && !session->is_run)
        session_kick_begin(session->fd, session->number);
    score_begin(self->page, session->number);
}

static void serve_begun(struct self *self, struct tcpd_session *session)
{
    if (!session_begin(session))
        return;
    score_do(session->live, DOING_WORKING);
    self->face->serve(session);
}

static void serve(struct self *self, struct tcpd_session *session, int fd)
{
    const struct worker_setup *setup = self->setup;
    struct log_quota *quota = &self->hint->quota;

    session_init(session, fd, setup->service);
    enter_busy(self, session);
    if (session->needs_header && !admission_takes_header(&self->admission, session))
        return;
    begin_session(self, session);
    show_peer(self, session);
    session_log_opened(session, setup->config, quota);
    serve_begun(self, session);
    if (session_kick_has_come())
        session_stop(session, SESSION_KICKED);
    score_do(session->live, DOING_CLOSING);
    session->ended_usec = base_now_usec();
    session_log_closed(session, setup->config, quota);
    self->title_end = title_add(self->title, "", self->title_end);
    session_close(session);
    admission_end(&self->admission, session);
    session_log_flush(quota, setup->listener);
    count_end(self, session);
    score_done(self->page);
}

// One accept() that failed. True: the worker leaves with *ret_exit.
static bool leave_after_error(struct self *self, int error, enum worker_exit *ret_exit)
{
    if (error != EINTR && !process_stopping())
        score_add(&self->counts->accept_errors, 1);
    switch (accept_error_handle(&self->backoff, self->setup->listener, error)) {
    case ACCEPT_RETRY:
        return false;
    case ACCEPT_OUT_OF_FILES:
        *ret_exit = WORKER_EXIT_OUT_OF_FILES;
        return true;
    case ACCEPT_LISTENER_DEAD:
        *ret_exit = process_stopping() ? WORKER_EXIT_DRAINED : WORKER_EXIT_LISTENER_LOST;
        return true;
    }
    return true;
}

// After a session: whether that was its last one.
static bool is_spent(struct self *self)
{
    uint64_t retire = self->setup->retire_usec;

    if (self->sessions_left > 0 && --self->sessions_left == 0)
        return true;
    return retire != USEC_NEVER && base_now_usec() >= retire;
}

static void open_batch(const struct self *self)
{
    const struct batch_source source = {.name = self->setup->name,
                                        .service = self->setup->service,
                                        .quota = &self->hint->quota,
                                        .recent = score_recent(self->page)};

    if (session_log_has_lines(self->setup->config))
        session_batch_open(&source);
}

static enum worker_exit accept_loop(struct self *self)
{
    struct tcpd_session session = {
        .fd = -1,
        .counts = self->counts,
        .recent = score_recent(self->page),
        .live = score_session(self->page),
    };
    enum worker_exit reason = WORKER_EXIT_DRAINED;

    receive_open(&self->receiver, self->setup, self->hint, &session);
    admission_open(&self->admission, self->setup, self->page, self->hint);
    open_batch(self);
    for (;;) {
        int fd;

        enter_idle(self);
        session_batch_idle(true);
        fd = self->receiver.next(&self->receiver, &session);
        session_batch_idle(false);
        if (fd < 0) {
            if (leave_after_error(self, errno, &reason))
                return reason;
            self->wait.idle_usec = base_now_usec();
            continue;
        }
        self->backoff = (struct accept_backoff){0};
        if (!admission_grants(&self->admission, &session, fd)) {
            self->wait.idle_usec = base_now_usec();
            continue;
        }
        serve(self, &session, fd);
        if (process_leave_reason() != WORKER_EXIT_DRAINED)
            return process_leave_reason();
        if (is_spent(self))
            return WORKER_EXIT_RETIRED;
    }
}

// Whether it has sessions, nobody knows; so it is busy from now on.
static _Noreturn void become_handler(const struct self *self, const struct tcpd_worker *serving)
{
    score_busy(self->page, base_now_usec(), &(struct sockaddr){.sa_family = AF_UNSPEC});
    wake_master(self);
    serving->service->handler->become(serving);
    score_idle(self->page, WORKER_STARTING, base_now_usec());
    _exit(process_stopping() ? WORKER_EXIT_DRAINED : WORKER_EXIT_PROGRAM);
}

// The one door out, of a worker that has its page.
static _Noreturn void leave(const struct self *self, enum worker_exit reason)
{
    score_idle(self->page, WORKER_LEAVING, base_now_usec());
    linger_finish();
    if (session_log_has_lines(self->setup->config))
        log_settle();
    _exit(reason);
}

void worker_run(const struct worker_setup *setup)
{
    struct self self = {.setup = setup, .face = &setup->service->handler->face};
    struct tcpd_worker serving = {
        .service = setup->service, .config = setup->config, .listener = setup->listener};
    enum worker_exit reason;
    int r = worker_setup(&self);

    if (r < 0) {
        log_error("tcpd: %s worker cannot be set up: %s", setup->name, strerror(-r));
        _exit(WORKER_EXIT_SETUP_FAILED);
    }
    if (setup->service->accepts_itself)
        become_handler(&self, &serving);
    if (serving_open(&serving) < 0)
        leave(&self, WORKER_EXIT_SETUP_FAILED);
    reason = accept_loop(&self);
    if (self.face->close)
        self.face->close();
    session_log_flush(&self.hint->quota, -1);
    if (self.waiting)
        (void)reserve_leave(&self.hint->reserve);
    leave(&self, reason);
}
