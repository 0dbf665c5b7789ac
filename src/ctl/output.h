// SPDX-License-Identifier: MIT
// Standard output of what goes on printing: whoever reads it may leave while there is nothing to
// print, as in "tcpdctl events | head -1".
#pragma once

#include <stdint.h>

// Waits for the events of poll(2) of fd (-1: none), or until the time is over. Nobody reads any
// more: the process ends by SIGPIPE, as it does when it prints; where that is ignored, -EPIPE. Else
// 0, also after a signal, or -errno.
int output_wait(int fd, short events, uint64_t usec);
