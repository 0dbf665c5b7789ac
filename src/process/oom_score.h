// SPDX-License-Identifier: MIT
// Whom the kernel kills when memory runs out: oom_score_adj, proc_pid_oom_score_adj(5).
#pragma once

// Has the kernel kill this process, and what it starts, before the one that forked it: a worker
// costs its connection, the master all of them. Once, in a child of the master. What /proc refuses
// changes nothing.
void oom_score_raise(void);
