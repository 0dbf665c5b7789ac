// SPDX-License-Identifier: MIT
// Standard output. Whoever reads it must not take a part for the whole, and may leave while there
// is nothing to print, as in "tcpdctl events | head -1".
#pragma once

#include <stdint.h>

// Writes what is left. status, or EX_IOERR when something could not be written, which is told.
int output_end(int status);
// Waits for the events of poll(2) of fd (-1: none), or until the time is over. Nobody reads any
// more: the process ends by SIGPIPE, as it does when it prints; where that is ignored, -EPIPE,
// which is told, and output_end() is EX_IOERR. Else 0, also after a signal, or -errno.
int output_wait(int fd, short events, uint64_t usec);
