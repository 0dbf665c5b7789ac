// SPDX-License-Identifier: MIT
// The last steps of a process before it becomes a user's program. Between vfork(2) and execve(2)
// the memory is the worker's, so nothing here allocates, logs, or calls what is not safe in a
// signal handler.
#pragma once

#include <sys/types.h>

#include "program/program_options.h"

struct program_child {
    const struct program_options *options;
    char *const *environment;
    int in, out, err;          // become 0, 1 and 2
    int listener;              // becomes 3; -1: none
    int death_signal;          // when the parent dies
    pid_t parent;              // whose death that is
    volatile int error;        // why it failed
    const char *volatile step; // at what, in words
};

// Logs why a program does not run; error as in errno(3).
void program_log_failure(const struct service *service, const struct program_child *child,
                         int error);

// Becomes the program in the calling process, which has all signals blocked. Returns on failure
// only: -errno, and step says what failed. Descriptors are as before, but those below 4.
int program_child_become(struct program_child *child);

// Does so in a child, after vfork(2). Its pid, or -errno; step as above. Blocks until the program
// runs.
pid_t program_child_start(struct program_child *child);
