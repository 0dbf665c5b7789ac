// SPDX-License-Identifier: MIT
// Whom the kernel kills when memory runs out: oom_score_adj, proc_pid_oom_score_adj(5).
#pragma once

#include <stddef.h>

// What it was. On the stack: a variable that is written between forks is a page for each child.
struct oom_score {
    char text[16];
    size_t size; // 0: it has not been raised
};

// In the master, before its files in /proc are root's. What /proc refuses changes nothing.
void oom_score_open(void);

// Around a fork: the kernel is to kill the child, and what that starts, before the master, as a
// worker costs its connection, the master all of them. A child cannot raise its own.
void oom_score_raise(struct oom_score *ret_before);
void oom_score_restore(const struct oom_score *before);
