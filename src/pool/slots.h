// SPDX-License-Identifier: MIT
// The master's private table of its workers: one slot each, found by pid in constant time. The only
// place in the master, but for rehearsal_close(), that calls kill(), and only for a child that was
// not reaped yet, so that its pid is still its own (B33, B40). Nothing in here comes from a worker.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "board/scoreboard.h"

struct pool;

struct worker {
    pid_t pid; // 0: slot is free
    unsigned slot;
    unsigned generation;
    bool draining;
    bool leaves_clients;    // to its program, or to the one in its place
    bool accepts_itself;    // a program in its place does: program_mode = listener
    bool starts_processes;  // and may leave them behind
    bool loads_code;        // a module's, which may end the process
    enum worker_state seen; // on the scoreboard, when it was last looked at
    uint64_t started_usec;
    unsigned queued;       // accepts itself: who waited when it was started
    bool told;             // draining: TERM was sent, ...
    bool told_twice;       // ... and sent again, as a net
    uint64_t drained_usec; // when TERM was last sent
    uint64_t hurried_usec; // when it was last told how long clients may be idle as tcpd stops
    uint64_t retire_usec;  // when it is too old; USEC_NEVER
    uint64_t stopped_usec; // since when it is stopped, by a signal of somebody's; 0: it is not
    struct pool *pool;
    struct worker *next, *previous; // of the pool
    struct worker *chain;           // of the pid's bucket
};

struct slots;

// The table, empty; NULL without memory.
struct slots *slots_new(void);
struct slots *slots_free(struct slots *slots);
// A free slot, to be given a child by slots_fill() or back by slots_release(); NULL when all are
// taken.
struct worker *slots_reserve(struct slots *slots);
void slots_fill(struct slots *slots, struct worker *worker, pid_t pid);
// The worker with that pid, NULL for a child that is none of ours.
struct worker *slots_find(struct slots *slots, pid_t pid);
// The first worker at that slot or behind it; NULL: there is none.
struct worker *slots_next(struct slots *slots, unsigned from);
void slots_release(struct slots *slots, struct worker *worker);
// Kills a child that is no worker, and was not reaped yet. 0 or -errno.
int slots_kill_orphan(struct slots *slots, pid_t pid);
// Sends a signal to a worker that was not reaped yet. 0 or -errno.
int slots_signal(const struct worker *worker, int signal);
// The same with TERM and a number that it comes with: see process_idle_usec(). Negative: the worker
// takes note of it, and goes on. sigqueue(3).
int slots_terminate(const struct worker *worker, int idle_ms);
// The same with SIGRTMIN, for the thread that serves: see session/session_kick.h.
int slots_order(const struct worker *worker, int value);
