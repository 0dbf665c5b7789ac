// SPDX-License-Identifier: MIT
// A pool's source table: memory that its workers and the master share, and the master's part in it.
// It is made when a service first asks for limits, and stays, with its size, as long as the pool.
#pragma once

#include "pool/pool.h"

// Makes the table if the service wants one and there is none. 0 or -errno.
int pool_sources_open(struct pools *pools, struct pool *pool);
void pool_sources_close(struct pool *pool);

// The one worker that is forked between these two gets the memory; others never do.
void pool_sources_lend(const struct pool *pool);
void pool_sources_keep(const struct pool *pool);

// A worker was reaped, and its page is still there. crashed: whom it served pays for that. True:
// that source is refused from now on.
bool pool_sources_bury(const struct pools *pools, const struct worker *worker, bool crashed,
                       uint64_t now_usec);
// Counts anew, once in a while, and soon after a death that nobody could know about.
void pool_sources_tend(const struct pools *pools, struct pool *pool, uint64_t now_usec);
