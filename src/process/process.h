// SPDX-License-Identifier: MIT
// What a worker process is, whatever it serves: how it hears that it should stop, how it leaves,
// and what its alarm means. There is one such process in each address space, so its state is here.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "board/reserve.h"

// How a worker exits; the master reads it as the exit status. A crash is a signal instead.
enum worker_exit {
    WORKER_EXIT_DRAINED = 0,
    WORKER_EXIT_RETIRED = 10,
    WORKER_EXIT_LISTENER_LOST = 11,
    WORKER_EXIT_OUT_OF_FILES = 12,
    WORKER_EXIT_SETUP_FAILED = 13,
    WORKER_EXIT_ORPHANED = 14,
    WORKER_EXIT_PROGRAM = 15,
    WORKER_EXIT_MODULE_EXITED = 16,
};

// The words for an exit status, "unknown" for one that no worker of ours gives.
const char *worker_exit_name(int status);

// What the signals need to know.
struct process_duty {
    pid_t master;
    int listener, dead_socket; // the one takes the other's number at TERM
    unsigned orphan_sec;       // how long it may go on once the master is gone
};

// Closes every descriptor above 2 but those in keep, of which -1 is none, and which is sorted: the
// event loop's, other listeners, control. 0 or -errno: a child that keeps them must not go on.
int process_close_all_but(int *keep, size_t n);

// What a listener becomes at TERM: one end of a pair, whose other end is closed. accept() fails
// there, and so does listen(), by which a worker could have all the others wait in accept() for
// ever. -1: errno.
int process_open_dead_socket(void);

// Sets the worker's signals: TERM stops it, what is for the master alone is ignored. Unblocks all.
// 0 or -errno.
int process_catch_signals(const struct process_duty *duty);

// Whether TERM has come: it is to exit as soon as its session is closed. Async-signal-safe.
bool process_stopping(void);

// How long its session may wait for a client that is owed nothing, as tcpd stops:
// stop_idle_timeout. 0: as long as ever, as it does not, or that is off.
uint64_t process_idle_usec(void);

// Blocks a parked worker in the reserve until it is called (0), or TERM has come (-EINTR).
int process_wait_in_reserve(struct reserve *reserve);

// A handler's: the worker exits for that reason as soon as its session is closed.
void process_leave(enum worker_exit reason);
// The reason, WORKER_EXIT_DRAINED: none.
enum worker_exit process_leave_reason(void);

// --- Async-signal-safe ---
// alarm(2), unless the worker has lost its master: then SIGALRM ends it when its time is over.
void process_alarm(unsigned sec);
bool process_is_orphan(void);
