// SPDX-License-Identifier: MIT
// Whether others of the same user may look into this process, and write to it: by /proc/PID/mem, by
// its descriptors in /proc/PID/fd, ptrace(2), process_vm_writev(2), pidfd_getfd(2). All of tcpd's
// processes run as one user, so a program or a module could reach the master, and by it everything.
// prctl(2), PR_SET_DUMPABLE.
#pragma once

// Nobody but root may from now on, nor into what is forked. Such a process leaves no core either,
// and its files in /proc are root's. A program that is executed begins without it.
void hiding_begin(void);
// In a worker: others may, and it leaves a core.
void hiding_end(void);
