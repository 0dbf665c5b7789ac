// SPDX-License-Identifier: MIT
// What a module writes to standard output and standard error: a pipe of its pool's, which the
// master reads now and then, and logs as lines of the service. Nobody waits for it: what finds no
// room is lost to the writer, what comes too fast is left out.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define POOL_TEXT_LINES 50 // a second

struct pool;

struct pool_text {
    int read, write; // 0: there is none yet
    unsigned n_left; // lines that may be logged in this second
    unsigned n_left_out;
    size_t n_line;
    char line[512]; // that has not ended
};

// The writing end, for a worker that is about to be forked; -1 where the pool needs none.
int pool_text_open(struct pool *pool);
// Logs what has come. A new second: as many lines again, and how many were left out.
void pool_text_log(struct pool *pool, bool is_new_second);
void pool_text_close(struct pool *pool);
