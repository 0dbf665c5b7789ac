// SPDX-License-Identifier: MIT
// What holds a worker: the system calls that it may make (seccomp), and what it may reach
// (Landlock). The lists are made in the master, before a fork; a worker enters one at the end of
// its set-up, and never leaves it. Where the kernel has neither, workers run without. Nothing here
// logs.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "config/config.h"
#include "sandbox/sandbox_filter.h"

struct sandbox {
    struct sandbox_filter filters[SANDBOX_KINDS]; // those that were wanted
    bool has_seccomp;
    int landlock; // its ABI, 0: there is none
};

// Asks the kernel what it has. Blocks on nothing.
void sandbox_open(struct sandbox *sandbox);
void sandbox_close(struct sandbox *sandbox);
// What the kernel lacks or forbids, for the log; NULL: nothing.
const char *sandbox_lacks(const struct sandbox *sandbox);

// The kind of a service's workers.
enum sandbox_kind sandbox_kind_of(const struct service *service);
// Makes its list ready, once. 0 or -errno.
int sandbox_prepare(struct sandbox *sandbox, enum sandbox_kind kind);

// In a worker, which serves from that listener. What ends it is put at *ret_call for others to see:
// the number of the call, plus 1. 0 or -errno: it must not serve then.
int sandbox_enter(const struct sandbox *sandbox, enum sandbox_kind kind, int listener,
                  uint32_t *ret_call);

// The name of a call that was put there, "unknown" if it is none; gossip.
void sandbox_name_call(uint32_t call, char *text, size_t size);

// Prints the lists that its services have: a line for each action, with the names.
void sandbox_print(const struct config *config, FILE *stream);
