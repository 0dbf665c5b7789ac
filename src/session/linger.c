// SPDX-License-Identifier: MIT
// A worker that closes one connection looks at those that it has kept before: nearly always they
// have ended by then, so that one or two are kept, and there is no more work than with a close that
// waits. While it waits in accept() or serves, a timer's signal looks at all of them, whose handler
// closes what is over. So the handler and the worker share the list: while the worker has it in its
// hands, the handler only comes again. Few are kept: each costs a descriptor, and cold memory.

#include "session/linger.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"
#include "session/session_kick.h"

#define KEPT_MAX     32
#define LOOKED_AT    2 // of those that were kept before, at each close
#define PIECE        4096
#define PIECES       256 // of one peer, in one look
#define MANY         16  // that have come at once: such a peer sends as fast as it can
#define SILENCE_USEC (2 * USEC_PER_SEC)
#define TOTAL_USEC   (30 * USEC_PER_SEC)
#define LOOK_USEC    (2 * USEC_PER_SEC)
#define FIRST_USEC   (100 * USEC_PER_MSEC) // until the first look
#define BRIEF_USEC   (500 * USEC_PER_MSEC)
#define BRIEF_PIECES 16                   // of one that is kept briefly, in one look
#define BRIEF_MAX    (KEPT_MAX / 2)       // kept at all, so that there is room for the others
#define SOON_USEC    (10 * USEC_PER_MSEC) // while peers send, or the list is in use
#define PAUSE_MSEC   100                  // of a peer that has sent fast
#define LOOK_SIGNAL  SIGVTALRM            // nobody else uses it

struct kept {
    int fd;
    bool is_brief;
    uint64_t heard_usec; // when its peer last sent anything
    uint64_t due_usec;   // when it is closed, come what may
};

static struct kept kept[KEPT_MAX + 1]; // the oldest first; the last one while it waits for room
static volatile sig_atomic_t n_kept;
static volatile sig_atomic_t is_in_use; // by the worker, not by the handler
static timer_t timer;
static bool has_timer;
static volatile uint64_t look_due_usec = USEC_NEVER; // when the timer's signal comes

bool linger_has_any(void)
{
    return n_kept > 0;
}

// Drops what has come. > 0: that there was something, perhaps more; 0: nothing; < 0: the end.
static int drop_input(int fd, int max_pieces)
{
    char dropped[PIECE]; // TCP leaves it alone; a unix socket ignores MSG_TRUNC
    int n_pieces = 0;

    while (n_pieces < max_pieces) {
        ssize_t n = recv(fd, dropped, sizeof(dropped), MSG_DONTWAIT | MSG_TRUNC);

        if (n > 0)
            n_pieces++;
        else if (n == 0 || errno != EINTR)
            return n < 0 && errno == EAGAIN ? n_pieces : -1;
    }
    return n_pieces;
}

// True: that one is over, and closed. Async-signal-safe, as are all below that do not block.
static bool look_at(struct kept *one, uint64_t now)
{
    int r = drop_input(one->fd, one->is_brief ? BRIEF_PIECES : PIECES);

    if (r > 0)
        one->heard_usec = now;
    if (r >= 0 && !(one->is_brief && r == BRIEF_PIECES) && now < one->due_usec &&
        now - one->heard_usec < SILENCE_USEC)
        return false;
    (void)close(one->fd);
    return true;
}

// Looks at the oldest n. Returns when to look again: sooner while something comes.
static uint64_t look(sig_atomic_t n, uint64_t now)
{
    uint64_t again = now + LOOK_USEC;
    sig_atomic_t n_left = 0, n_before = n_kept;

    for (sig_atomic_t i = 0; i < n_before; i++) {
        if (i < n && look_at(&kept[i], now))
            continue;
        if (kept[i].heard_usec == now)
            again = now + SOON_USEC;
        if (kept[i].due_usec < again)
            again = kept[i].due_usec > now ? kept[i].due_usec : now;
        kept[n_left++] = kept[i];
    }
    n_kept = n_left;
    return again;
}

static void set_timer(uint64_t due_usec)
{
    struct itimerspec spec = {.it_value = base_timespec(due_usec)};

    look_due_usec = due_usec;
    (void)timer_settime(timer, TIMER_ABSTIME, &spec, NULL);
}

static void on_look(int signal)
{
    int saved_errno = errno;
    uint64_t now = base_now_usec(), again = now + SOON_USEC;

    (void)signal;
    if (!is_in_use)
        again = look(n_kept, now);
    if (n_kept > 0)
        set_timer(again);
    else
        look_due_usec = USEC_NEVER;
    errno = saved_errno;
}

// False: there is none; the user has too many (RLIMIT_SIGPENDING).
static bool open_timer(void)
{
    struct sigaction action = {.sa_handler = on_look, .sa_flags = SA_RESTART};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = LOOK_SIGNAL};

    (void)sigfillset(&action.sa_mask);
    if (!has_timer)
        has_timer = sigaction(LOOK_SIGNAL, &action, NULL) == 0 &&
                    timer_create(CLOCK_MONOTONIC, &event, &timer) == 0;
    return has_timer;
}

// Blocks until a peer has sent something or ended, or until then, or until one is over.
static void wait_for_peers(uint64_t now, uint64_t until_usec)
{
    struct pollfd fds[KEPT_MAX + 1];
    struct timespec wait;

    for (sig_atomic_t i = 0; i < n_kept; i++) {
        uint64_t silent_usec = kept[i].heard_usec + SILENCE_USEC;

        fds[i] = (struct pollfd){.fd = kept[i].fd, .events = POLLIN};
        until_usec = silent_usec < until_usec ? silent_usec : until_usec;
        until_usec = kept[i].due_usec < until_usec ? kept[i].due_usec : until_usec;
    }
    wait = base_timespec(until_usec > now ? until_usec - now : 0);
    (void)ppoll(fds, (nfds_t)n_kept, &wait, NULL);
}

// Until no more than n are left.
static void wait_until_few(sig_atomic_t n, uint64_t until_usec)
{
    uint64_t now = base_now_usec();

    for (;;) {
        (void)look(n_kept, now);
        if (n_kept <= n || now >= until_usec)
            return;
        wait_for_peers(now, until_usec);
        now = base_now_usec();
    }
}

// A peer that sends fast, as one that uploads what nobody has read, is heard here until it pauses:
// it may not read its answer before it has sent all. < 0: it has ended.
static int hear_out(int fd, uint64_t due_usec)
{
    struct pollfd peer = {.fd = fd, .events = POLLIN};
    bool is_fast = false;
    int r;

    do {
        r = drop_input(fd, PIECES);
        is_fast = is_fast || r >= MANY;
    } while (r >= 0 && is_fast && base_now_usec() < due_usec && poll(&peer, 1, PAUSE_MSEC) != 0);
    return r;
}

static void keep(const struct kept *one)
{
    uint64_t look_usec = one->heard_usec + FIRST_USEC;

    is_in_use = 1;
    atomic_signal_fence(memory_order_seq_cst);
    (void)look(LOOKED_AT, one->heard_usec);
    kept[n_kept++] = *one;
    if (n_kept > KEPT_MAX) // it may be the one that ends: an administrator can see to that
        wait_until_few(KEPT_MAX, USEC_NEVER);
    if (!open_timer())
        wait_until_few(0, USEC_NEVER);
    atomic_signal_fence(memory_order_seq_cst);
    is_in_use = 0;
    if (has_timer && (look_usec < look_due_usec || one->due_usec < look_due_usec))
        set_timer(one->due_usec < look_usec ? one->due_usec : look_usec);
}

void linger_keep(int fd, uint64_t deadline_usec)
{
    uint64_t began = base_now_usec();
    struct kept one = {.fd = fd, .due_usec = began + TOTAL_USEC};

    if (deadline_usec < one.due_usec)
        one.due_usec = deadline_usec;
    if (shutdown(fd, SHUT_WR) < 0 || hear_out(fd, one.due_usec) < 0) {
        session_kick_end();
        (void)close(fd);
        return;
    }
    one.heard_usec = base_now_usec();
    keep(&one);
    session_kick_end(); // it does not hold the worker any more
}

bool linger_keep_briefly(int fd)
{
    uint64_t now = base_now_usec();
    const struct kept one = {
        .fd = fd, .heard_usec = now, .due_usec = now + BRIEF_USEC, .is_brief = true};

    if (n_kept >= BRIEF_MAX || !open_timer())
        return false;
    if (shutdown(fd, SHUT_WR) < 0)
        (void)close(fd);
    else
        keep(&one);
    return true;
}

void linger_finish(void)
{
    is_in_use = 1;
    if (has_timer)
        (void)timer_delete(timer);
    has_timer = false;
    wait_until_few(0, base_now_usec() + SILENCE_USEC);
    while (n_kept > 0)
        (void)close(kept[--n_kept].fd);
    is_in_use = 0;
}
