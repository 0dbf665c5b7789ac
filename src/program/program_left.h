// SPDX-License-Identifier: MIT
// What a program has started: who of it is there, and who has a socket open. From /proc; in workers
// only. Does not block, logs nothing.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define LEFT_MAX 64 // found at once; then the next ones

struct left {
    pid_t pids[LEFT_MAX];
    size_t n;
};

// Adds the children of this process, which are what programs have left behind, but for two programs
// and what is in the session of the other (0: there is none). False: nobody can tell.
bool left_find(struct left *left, pid_t program, pid_t other);

// Whether one of these processes, or of what they have started, has the socket of that number open.
// Who cannot be looked at is said to have it.
bool left_holds(const struct left *left, ino_t socket);
