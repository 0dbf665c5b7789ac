// SPDX-License-Identifier: MIT
// The alarm that is set while a module runs is set anew by its own handler. Behind a session it is
// left to run out, which costs an idle worker one wake-up and saves each session two system calls.

#include "module/module_watch.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "log/log.h"
#include "process/process.h"

#define TICKS 4 // in hang_timeout; at least 2, as a call may have just begun

// What the handler needs. `is_inside` is written last and read first.
static struct {
    volatile sig_atomic_t is_inside, is_fresh, is_armed;
    const struct tcpd_session *volatile session;
    unsigned period_sec; // 0: off
    unsigned n_allowed, n_silent;
    unsigned n_turns, n_signs; // as last seen
    uint64_t n_bytes;
    char hint[512];
    size_t n_hint;
} watch;

// Async-signal-safe. A handler that is blocked in one call lives; so does one that calls, unless
// its calls can have no other result any more: behind the session's end, or the peer's with no byte
// moved.
static bool is_session_alive(const struct tcpd_session *session)
{
    unsigned n_turns = session->n_turns;
    uint64_t n_bytes = session->bytes_in + session->bytes_out;
    bool called = n_turns != watch.n_turns;
    bool moved = n_bytes != watch.n_bytes;

    watch.n_turns = n_turns;
    watch.n_bytes = n_bytes;
    if (session->result != SESSION_OK)
        return false;
    return called ? moved || !session->peer_ended : n_turns % 2 != 0;
}

static bool is_alive(void)
{
    const struct tcpd_session *session = watch.session;
    unsigned n_signs = session_signs();
    bool alive = watch.is_fresh || n_signs != watch.n_signs;

    watch.is_fresh = 0;
    watch.n_signs = n_signs;
    return (session && is_session_alive(session)) || alive;
}

// Async-signal-safe: log_last_words(), abort(3), _exit(2), alarm(2) are.
static void on_alarm(int signal)
{
    int saved_errno = errno;

    (void)signal;
    if (process_is_orphan())
        _exit(WORKER_EXIT_ORPHANED); // its time is over
    if (!watch.is_inside) {
        watch.is_armed = 0;
    } else {
        watch.n_silent = is_alive() ? 0 : watch.n_silent + 1;
        if (watch.n_silent >= watch.n_allowed) {
            log_last_words(watch.hint, watch.n_hint); // the master logs the death itself
            abort();
        }
        process_alarm(watch.period_sec);
    }
    errno = saved_errno;
}

int module_watch_start(uint64_t hang_usec, const char *service, const char *module)
{
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    bool is_named = log_has_fields(); // standard error is its pool's, see pool_text.h
    uint64_t hang_sec = (hang_usec + USEC_PER_SEC - 1) / USEC_PER_SEC;

    watch.period_sec = (unsigned)((hang_sec + TICKS - 1) / TICKS);
    if (watch.period_sec == 0)
        return 0;
    watch.n_allowed = (unsigned)((hang_sec + watch.period_sec - 1) / watch.period_sec);
    watch.n_allowed = watch.n_allowed > 2 ? watch.n_allowed : 2;
    (void)snprintf(watch.hint, sizeof(watch.hint) - 1,
                   "%s%s%smodule %s hangs: no sign of life for %u s (hang_timeout); aborted",
                   is_named ? "<3>" : "tcpd/", is_named ? "" : service, is_named ? "" : ": ",
                   module, watch.n_allowed * watch.period_sec);
    watch.n_hint = strlen(watch.hint) + 1;
    watch.hint[watch.n_hint - 1] = '\n';
    (void)sigfillset(&action.sa_mask);
    return sigaction(SIGALRM, &action, NULL) < 0 ? -errno : 0;
}

void module_watch_enter(const struct tcpd_session *session)
{
    if (watch.period_sec == 0)
        return;
    watch.session = session;
    watch.is_fresh = 1;
    watch.is_inside = 1;
    if (watch.is_armed)
        return;
    watch.is_armed = 1;
    process_alarm(watch.period_sec);
}

void module_watch_leave(void)
{
    watch.is_inside = 0;
}
