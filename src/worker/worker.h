// SPDX-License-Identifier: MIT
// A worker's life, in the child: set-up, accept loop, one door out. It never returns to the
// master's code and never touches the master's event loop.
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "config/config.h"

// How a worker leaves; the master reads it as the exit status. A crash is a signal instead.
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

// What a child gets from the master. The descriptors are the ones it keeps.
struct worker_setup {
    pid_t master_pid;
    int listener;
    int dead_socket; // never listening; takes the listener's number at TERM
    int scoreboard;
    int wake; // eventfd of the master
    unsigned slot, pool;
    const char *title; // of the process: "tcpd: echo 127.0.0.1:7007 worker"
    const struct service *service;
    const struct config *config;
};

// A worker's: it leaves for that reason as soon as its session is closed.
void worker_leave(enum worker_exit reason);

// Runs the child until it leaves the process. All signals are blocked on entry.
_Noreturn void worker_run(const struct worker_setup *setup);

// --- For handlers, in a worker; both are async-signal-safe ---
// alarm(2), unless the worker has lost its master: then SIGALRM ends it when its time is over.
void worker_alarm(unsigned sec);
bool worker_is_orphan(void);
