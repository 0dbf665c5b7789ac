// SPDX-License-Identifier: MIT
// Listeners that no longer do what they are for; for the master alone.
#pragma once

#include "master/master_state.h"

// Looks at every listener that is not being closed: one that somebody has shut down listens again
// or is opened anew, as is one whose path led elsewhere when it was taken back; one that somebody
// has made non-blocking, for no program of ours, blocks again. May log. What cannot be mended is
// tried again at the next call.
void master_mend_listeners(struct master *master, uint64_t now_usec);

// A worker has left because its listener is shut down, and has taken all that was in the queue, or
// a program in a worker's place has died of that.
void master_lose_listener(struct master *master, struct pool *pool, uint64_t now_usec);

// It was too early to mend it, and the time has come: pool->mends.due_usec.
void master_mend_owed(struct master *master, struct pool *pool, uint64_t now_usec);
