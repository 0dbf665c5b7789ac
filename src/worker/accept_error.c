// SPDX-License-Identifier: MIT
// Errors of accept(). On Linux the pending error of a connection that died in the queue may come
// out of accept() (B2): such an error ends nothing but that connection.

#include "worker/accept_error.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "log/log.h"

enum error_class {
    CLASS_CONNECTION,
    CLASS_AGAIN,
    CLASS_SCARCE,
    CLASS_DENIED,
    CLASS_FILES,
    CLASS_LISTENER
};

static enum error_class classify(int error)
{
    switch (error) {
    case EAGAIN:
        return CLASS_AGAIN;
    case EMFILE:
        return CLASS_FILES;
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        return CLASS_SCARCE;
    case EPERM:
    case EACCES:
        return CLASS_DENIED;
    case EINVAL:
        return CLASS_LISTENER;
    case EBADF:
    case ENOTSOCK:
    case EFAULT:
        abort(); // a bug of ours
    default:     // EINTR, ECONNABORTED, EPROTO, ENETDOWN, EHOSTUNREACH ... and what a later kernel
                 // adds
        return CLASS_CONNECTION;
    }
}

static void pause_usec(uint64_t usec)
{
    struct timespec rest = base_timespec(usec);

    (void)nanosleep(&rest, NULL); // TERM ends it early, which is what we want
}

static void log_seldom(struct accept_backoff *backoff, const char *what, int error)
{
    uint64_t now = base_now_usec();

    if (backoff->logged_usec != 0 && now - backoff->logged_usec < 60 * USEC_PER_SEC)
        return;
    backoff->logged_usec = now;
    log_warning("accept: %s: %s", what, strerror(error));
}

// 100 ms, doubling to about 1 s, with a random part so that workers do not come back together.
static void pause_scarce(const struct accept_backoff *backoff)
{
    unsigned shift = backoff->n_failures < 4 ? backoff->n_failures - 1 : 3;
    uint64_t usec = (100 * USEC_PER_MSEC) << shift;

    pause_usec(usec + arc4random_uniform((uint32_t)usec / 4));
}

// Somebody has made the listener non-blocking. A program that still has it, as at a reload that
// puts a built-in service in its place, may count on that; the master clears it when there is none.
// At TERM the number is the dead socket's, for which poll(2) does not wait.
static void wait_for_client(int listener)
{
    struct pollfd queue = {.fd = listener, .events = POLLIN};

    (void)poll(&queue, 1, -1); // what ends it early ends in another accept()
}

enum accept_action accept_error_handle(struct accept_backoff *backoff, int listener, int error)
{
    if (backoff->n_failures < UINT32_MAX)
        backoff->n_failures++;
    switch (classify(error)) {
    case CLASS_FILES:
        log_seldom(backoff, "no descriptor is left", error);
        return ACCEPT_OUT_OF_FILES;
    case CLASS_LISTENER:
        return ACCEPT_LISTENER_DEAD;
    case CLASS_AGAIN:
        wait_for_client(listener);
        break;
    case CLASS_SCARCE:
        log_seldom(backoff, "the system is short of resources", error);
        pause_scarce(backoff);
        return ACCEPT_RETRY;
    case CLASS_DENIED:
        log_seldom(backoff, "a firewall or policy forbids", error);
        pause_usec(100 * USEC_PER_MSEC);
        return ACCEPT_RETRY;
    case CLASS_CONNECTION:
        break;
    }
    if (backoff->n_failures > 100)
        pause_usec(10 * USEC_PER_MSEC);
    return ACCEPT_RETRY;
}
