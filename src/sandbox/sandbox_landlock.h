// SPDX-License-Identifier: MIT
// Landlock, which forbids what seccomp cannot tell: whom a signal goes to, where a path leads.
#pragma once

#include "config/config.h"

#define SANDBOX_LANDLOCK_SCOPES 6 // the ABI from which on there are scopes

// 0: there is none, or it is forbidden.
int sandbox_landlock_abi(void);
// Holds the process and all that it starts. It needs no_new_privs. 0 or -errno.
int sandbox_landlock_enter(enum sandbox_kind kind, int abi, int listener);
