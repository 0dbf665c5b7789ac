// SPDX-License-Identifier: MIT
// What the variants of the reference share.
#pragma once

typedef void (*ref_serve)(int fd);

// fork(). The child dies with its parent; without one the program ends.
int ref_fork(void);

// Starts `n_workers`, forks more as they are needed, up to `most`. Never returns.
__attribute__((noreturn)) void ref_grow(int listener, ref_serve serve, unsigned n_workers,
                                        unsigned n_spare, unsigned most);

// The life of a worker that serves many connections with epoll, echo only. Never returns.
__attribute__((noreturn)) void ref_epoll(int listener);

// The life of a worker that echoes datagrams, each after `msec` milliseconds. Never returns.
__attribute__((noreturn)) void ref_datagram(int fd, unsigned msec);

// Starts the program at path with fd as its standard input and output, and waits for its end.
void ref_program(int fd, const char *path);

// What --walls asks for: made once, entered by each worker at the end of its set-up. Without the
// first the second does nothing.
void ref_walls_make(void);
void ref_walls_enter(int listener);

// How a worker closes: plain, wait, aside or closer, which starts its process here. Exits when
// `way` is none of them.
ref_serve ref_close(const char *way);
