// SPDX-License-Identifier: MIT
// Standard error as lines, for the log alone. Nobody waits for its reader: a terminal, a pipe or a
// socket is written to without blocking, whoever else has it, and without changing it for them.
#pragma once

#include <sys/types.h>

#define OUTPUT_PATIENCE_MS 20 // how long the log waits for a reader at most

// Finds out how to write to it. Before that, and where it cannot be opened anew, output_write()
// looks for room first, which others may take.
void output_open(void);

// In a child: the parent's description, whose O_NONBLOCK the child could clear, was closed, and the
// child gets one of its own.
void output_renew(void);

// Low numbers are not ours: a program is given them before it is known that it cannot run. Gives fd
// another number, and closes this one. -1: errno.
int output_move_up(int fd);

// From now on another descriptor of the same is written to, and standard error may be changed.
void output_leave(void);

// Writes lines: how many bytes, the lines that are whole; -EAGAIN or another -errno when not one
// is. Waits for room for `patience_ms` at most. A line that was cut off ends where it is. Async-
// signal-safe without patience.
ssize_t output_write(const char *lines, size_t size, int patience_ms);
