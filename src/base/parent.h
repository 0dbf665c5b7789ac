// SPDX-License-Identifier: MIT
// Whose child a process is. Reads /proc, which does not block; logs nothing.
#pragma once

#include <sys/types.h>

// 0: it has ended, or /proc does not show it, or its parent.
pid_t parent_of(pid_t pid);
