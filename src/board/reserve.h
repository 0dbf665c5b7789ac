// SPDX-License-Identifier: MIT
// Which idle workers wait in accept(), and which in reserve. The kernel wakes those in accept()
// first in, first out: of ten thousand, the one whose memory has been cold for longest. So a few
// wait there, the same ones in turn, and the others wait until one of the few calls them because
// fewer are left. Shared by a pool's workers and the master without a lock; the counts may drift,
// by a killed worker or a lie, and the master puts them right.
// No worker in reserve holds up a connection: whoever leaves accept() calls before it does
// anything else, and the master calls when the queue is not empty.
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#define RESERVE_ABOVE 64 // waiting in accept(): one more goes into the reserve
#define RESERVE_BELOW 8  // fewer: some are called
#define RESERVE_CALL  16 // that many at once

struct reserve {
    _Atomic int32_t waiting; // in accept(), or called and on their way there
    _Atomic int32_t parked;
    _Atomic uint32_t calls; // not yet answered
    _Atomic uint32_t turn;  // the futex: one more with each call and each interruption
};

// An idle worker arrives. True: it waits in accept(), and is counted; false: in reserve, which it
// never is unless it may be, whatever the counts say.
bool reserve_join(struct reserve *reserve, bool may_park);
// Blocks a parked worker until it is called or woken (0; it is counted as waiting), or *stopping is
// set and it was interrupted (-EINTR; it is not counted any more).
int reserve_wait(struct reserve *reserve, const volatile sig_atomic_t *stopping);
// Ends the reserve_wait() that the calling process is in, or about to enter. Async-signal-safe.
void reserve_interrupt(struct reserve *reserve);
// A waiting worker has a connection, or leaves for good. Returns how many idle ones are left.
int32_t reserve_leave(struct reserve *reserve);
// How many idle ones there are, as far as anybody knows.
int32_t reserve_idle(const struct reserve *reserve);
// Calls at most n parked workers.
void reserve_call(struct reserve *reserve, int32_t n);

// --- The master's side ---
// How far the counts were off when last looked at.
struct reserve_drift {
    int32_t waiting, parked;
};
// Wakes n parked workers, who then wait in accept(): the counts in here are not looked at, as they
// may be a lie.
void reserve_wake(struct reserve *reserve, unsigned n);
// A parked worker was killed.
void reserve_lose(struct reserve *reserve);
// Held against what looking at each worker gave. Only what was off the last time, too, is put
// right: a look is not instant, and what has changed meanwhile is no drift.
void reserve_correct(struct reserve *reserve, struct reserve_drift *drift, int32_t waiting,
                     int32_t parked);
