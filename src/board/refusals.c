// SPDX-License-Identifier: MIT
#include "board/refusals.h"

#include <stdatomic.h>

#include "board/log_quota.h"

const char *const refusal_names[REFUSALS] = {
    [REFUSAL_RULE] = "rule",
    [REFUSAL_PENALTY] = "penalty",
    [REFUSAL_CONNECTIONS] = "connections",
    [REFUSAL_RATE] = "rate",
    [REFUSAL_OVERFLOW] = "overflow",
    [REFUSAL_DRY_RUN] = "dry_run",
    [REFUSAL_UNCOUNTED] = "uncounted",
};

static bool is_first(struct refusals *refusals, const struct sockaddr *client)
{
    unsigned source = log_quota_source(client) % REFUSALS_SOURCES;
    uint32_t bit = UINT32_C(1) << source % 32;

    return (atomic_fetch_or_explicit(&refusals->sources[source / 32], bit, memory_order_relaxed) &
            bit) == 0;
}

bool refusals_take(struct refusals *refusals, enum refusal refusal, const struct sockaddr *client,
                   bool all)
{
    (void)atomic_fetch_add_explicit(&refusals->n[refusal], 1, memory_order_relaxed);
    if (!all && (atomic_load_explicit(&refusals->n_said, memory_order_relaxed) >= REFUSALS_SAID ||
                 !is_first(refusals, client)))
        return false;
    (void)atomic_fetch_add_explicit(&refusals->n_said, 1, memory_order_relaxed);
    return true;
}

uint32_t refusals_renew(struct refusals *refusals, uint32_t ret_n[REFUSALS])
{
    for (int i = 0; i < REFUSALS; i++)
        ret_n[i] = atomic_exchange_explicit(&refusals->n[i], 0, memory_order_relaxed);
    for (int i = 0; i < REFUSALS_SOURCES / 32; i++)
        atomic_store_explicit(&refusals->sources[i], 0, memory_order_relaxed);
    return atomic_exchange_explicit(&refusals->n_said, 0, memory_order_relaxed);
}
