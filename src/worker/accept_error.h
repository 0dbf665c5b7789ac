// SPDX-License-Identifier: MIT
// What to do when accept() fails: which errors belong to one connection, which to the machine,
// which to the listener. accept(2), "Error handling"; hazards B1 to B7.
#pragma once

#include <stdint.h>

enum accept_action {
    ACCEPT_RETRY,         // any pause that was due is over
    ACCEPT_OUT_OF_FILES,  // this process leaks descriptors; another one will do better
    ACCEPT_LISTENER_DEAD, // stopped by us, or shut down by someone
};

// How often in a row it failed, and what was said of it.
struct accept_backoff {
    unsigned n_failures;
    uint64_t logged_usec;
};

// Classifies the error, pauses where one is due (10 ms after 100 failures in a row, 100 ms to 1 s
// when the system lacks memory or files, 100 ms when a firewall forbids; TERM ends a pause), waits
// for a client at a listener that does not block, logs once a minute at most. Aborts on an error
// that only a bug makes.
enum accept_action accept_error_handle(struct accept_backoff *backoff, int listener, int error);
