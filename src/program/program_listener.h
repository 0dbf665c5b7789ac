// SPDX-License-Identifier: MIT
// program_mode = listener: a worker that becomes the program.
#pragma once

#include "session/serving.h"

// Becomes the program, with the worker's listener as descriptor 3. Returns on failure only, after
// logging why, or when it was told to leave; the process is no worker any more then, and must
// leave.
void program_become_listener(const struct tcpd_worker *worker);
