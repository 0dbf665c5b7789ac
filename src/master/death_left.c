// SPDX-License-Identifier: MIT
#include "master/death_left.h"

#include "session/session_log.h"

void death_write_left(const struct pools *pools, const struct worker *worker)
{
    struct pool *pool = worker->pool;
    const struct session_left left = {.recent = scoreboard_recent(&pools->board, worker->slot),
                                      .pool_name = pool->name,
                                      .service = pool->service,
                                      .config = pool->config,
                                      .quota = &scoreboard_hint(&pools->board, pool->index)->quota,
                                      .pid = worker->pid};

    pool->n_left_said += session_log_left(&left, pool->n_left_said < DEATH_LEFT_A_PERIOD);
}
