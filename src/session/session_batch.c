// SPDX-License-Identifier: MIT
// The worker and the timer's handler never have the batch at the same time: the handler does
// nothing unless the worker is in accept(), or about to call it with the batch as it shall be. So
// it may use all that the worker uses. The timer is one shot, set once for a batch and not put off:
// a session that it finds going on sees one interrupted call, and the next one to wait sets it
// again. It is inherited by no other process, timer_create(2).

#include "session/session_batch.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "base/base.h"
#include "log/log.h"
#include "session/line_batch.h"

#define OLD_USEC   USEC_PER_SEC
#define AGAIN_USEC (100 * USEC_PER_MSEC) // while the log takes nothing
#define DUE_SIGNAL (SIGRTMIN + 1)

#ifndef sigev_notify_thread_id // as timer_create(2) calls it
#define sigev_notify_thread_id _sigev_un._tid
#endif

static struct batch_source source; // name NULL: sessions have no lines
static uint64_t own_pid;
static uint64_t begin_usec; // when the batch got its first line
static struct line_batch batch;

static timer_t timer;
static bool has_timer;
static volatile sig_atomic_t is_armed, is_idle;

void session_batch_open(const struct batch_source *from)
{
    source = *from;
    own_pid = (uint64_t)getpid();
    batch.name = source.name;
    batch.service = source.service->name;
}

static unsigned keep_record(const struct line_record *record)
{
    return log_keep_lines(batch.priority, EVENT_SESSION_LINES, record->fields, record->n_fields,
                          &record->lines);
}

// How many of the lines the log keeps now.
static unsigned keep(void)
{
    struct line_record record;
    unsigned n;

    line_batch_record(&batch, &record);
    n = keep_record(&record);
    if (n > 0)
        return n;
    (void)log_write_kept(false); // which may make room
    return keep_record(&record);
}

static bool is_due(void)
{
    return base_now_usec() - begin_usec >= OLD_USEC;
}

void session_batch_close(bool at_once)
{
    unsigned n;

    if (batch.n == 0 || (!at_once && !is_due()))
        return;
    n = keep();
    if (n < batch.n)
        log_quota_count(source.quota, LOG_LOSS_READER, batch.n - n);
    line_batch_clear(&batch);
}

// n_more: whose lines are still to be added.
static void note(unsigned n_more)
{
    unsigned n = log_kept_lines() + batch.n + n_more;

    recent_set_logged(source.recent, recent_ended(source.recent) - n);
}

void session_batch_note(void)
{
    if (source.name)
        note(0);
}

// Has what is there written, if that needs no waiting.
static void write_now(bool at_once, unsigned n_more)
{
    session_batch_close(at_once);
    (void)log_write_kept(false); // else tried again
    note(n_more);
}

void session_batch_add(struct session_line *line, int priority)
{
    line->pid = own_pid;
    if (!line_batch_add(&batch, line, priority)) {
        write_now(true, 1);
        (void)line_batch_add(&batch, line, priority); // an empty one has room
    }
    if (batch.n == 1)
        begin_usec = base_now_usec();
    if (batch.n == LINE_BATCH_MAX)
        write_now(true, 0);
}

static void arm(uint64_t usec)
{
    const struct itimerspec spec = {.it_value = base_timespec(usec)};

    is_armed = 1;
    (void)timer_settime(timer, 0, &spec, NULL);
}

// When it is to come again: soon, if the log has taken nothing; when the batch is due. 0: not at
// all, as there is nothing left.
static uint64_t next_usec(void)
{
    uint64_t age = base_now_usec() - begin_usec;

    if (log_kept_lines() > 0)
        return AGAIN_USEC;
    if (batch.n == 0)
        return 0;
    return age + 1 < OLD_USEC ? OLD_USEC - age : 1;
}

static void on_due(int signal)
{
    int saved_errno = errno;
    uint64_t usec;

    (void)signal;
    is_armed = 0;
    atomic_signal_fence(memory_order_seq_cst);
    if (is_idle) {
        write_now(false, 0);
        usec = next_usec();
        if (usec > 0)
            arm(usec);
    }
    errno = saved_errno;
}

// False: there is none; the user has too many (RLIMIT_SIGPENDING). The signal is this thread's: a
// module may have others.
static bool open_timer(void)
{
    struct sigaction action = {.sa_handler = on_due, .sa_flags = SA_RESTART};
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = DUE_SIGNAL};

    event.sigev_notify_thread_id = gettid();
    (void)sigfillset(&action.sa_mask);
    if (!has_timer)
        has_timer = sigaction(DUE_SIGNAL, &action, NULL) == 0 &&
                    timer_create(CLOCK_MONOTONIC, &event, &timer) == 0;
    return has_timer;
}

bool session_batch_ticks(void)
{
    return is_armed;
}

bool session_batch_waits(void)
{
    return log_kept_lines() > 0 && open_timer();
}

// Without a timer nothing may stay: after a moment it is lost.
static void write_or_drop(void)
{
    session_batch_close(true);
    if (log_write_kept(true) < 0)
        log_quota_count(source.quota, LOG_LOSS_READER, log_drop_kept());
    session_batch_note();
}

void session_batch_idle(bool is_now)
{
    uint64_t usec;

    if (!source.name)
        return;
    is_idle = 0;
    if (!is_now)
        return;
    usec = next_usec();
    if (usec > 0 && !open_timer())
        write_or_drop();
    atomic_signal_fence(memory_order_seq_cst);
    is_idle = 1;
    atomic_signal_fence(memory_order_seq_cst);
    // If it comes from here on it finds the worker idle; if it came before, it is set again.
    if (usec > 0 && has_timer && !is_armed)
        arm(usec);
}
