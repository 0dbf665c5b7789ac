// SPDX-License-Identifier: MIT
// A worker's life, in the child: set-up, accept loop, one door out. It never returns to the
// master's code and never touches the master's event loop.
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "config/config.h"
#include "sandbox/sandbox.h"

// What a child gets from the master. The descriptors are the ones it keeps.
struct worker_setup {
    pid_t master_pid;
    int listener;
    enum address_speaks speaks; // to its clients
    int dead_socket;            // never listening; takes the listener's number at TERM
    int scoreboard;
    int wake; // eventfd of the master
    int text; // for standard output and standard error; -1: they are the master's
    unsigned slot, pool;
    const uint16_t *ports; // that tcpd has for datagrams
    size_t n_ports;
    uint64_t retire_usec; // it takes no new connection from then on; USEC_NEVER
    const char *name;     // of the pool: "echo 127.0.0.1:7007"
    const struct service *service;
    const struct config *config;
    const struct sandbox *sandbox;
    struct source_table sources; // the pool's; without memory: they are not counted
};

// Runs the child until it leaves the process. All signals are blocked on entry.
_Noreturn void worker_run(const struct worker_setup *setup);
