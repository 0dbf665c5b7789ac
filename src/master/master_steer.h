// SPDX-License-Identifier: MIT
// What administrators change while the configuration stays: pools without workers, other limits,
// one worker that is replaced. Each is logged, with who has ordered it.
#pragma once

#include "master/master_state.h"

// Who orders it.
struct steerer {
    pid_t pid;
    uid_t uid;
};

// The pools that a name means, one after the other: those of that service that are not about to be
// closed; "" means all but agents, which tell balancers of the others. NULL: there are no more.
// after: the last one, NULL for the first.
struct pool *steer_next(const struct master *master, const char *service, const struct pool *after);

// Nobody serves there from now on; who comes waits in the kernel's queue. Sessions go on.
void steer_pause(struct master *master, struct pool *pool, const struct steerer *who);
// They are served again. False: the pool was not paused.
bool steer_resume(struct master *master, struct pool *pool, const struct steerer *who);
// Other limits until the next reload, or those of the configuration (NULL).
void steer_resize(struct master *master, struct pool *pool, const struct sizing_limits *limits,
                  const struct steerer *who);
// The worker exits after its session, and another one takes its place.
void steer_drain(struct master *master, struct worker *worker, const struct steerer *who);

// What was ordered is in STATUS= at once, and is carried out; once for all pools.
void steer_carry_out(struct master *master);

// A reload: the pool stays, and gets its next generation. is_back: it was about to be closed.
void steer_keep(struct pool *pool, bool is_back);
// A reload has made it: a service whose others are paused is so there, too.
void steer_join(const struct master *master, struct pool *pool);
