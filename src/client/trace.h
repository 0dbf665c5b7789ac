// SPDX-License-Identifier: MIT
// What -v tells on stderr: one line a step, with the time since the start of the program. Silent,
// and nearly free, until trace_start().
#pragma once

#include <stdint.h>

// Begins telling; times count from start_usec.
void trace_start(uint64_t start_usec);

// Writes "+SECONDS TEXT" and a newline to stderr.
__attribute__((format(printf, 1, 2))) void trace_say(const char *format, ...);

// Tells the kernel's view of a TCP connection (TCP_INFO); nothing for other sockets.
void trace_say_kernel(int fd);
