// SPDX-License-Identifier: MIT
// Exponential back-off. Never sleeps: it only says until when.

#include "pool/throttle.h"

#include "base/base.h"

const struct throttle_rule throttle_deaths = {
    .n_free = 3, .first_usec = 100 * USEC_PER_MSEC, .max_usec = 30 * USEC_PER_SEC};
const struct throttle_rule throttle_doubts = {
    .n_free = 20, .first_usec = 100 * USEC_PER_MSEC, .max_usec = 100 * USEC_PER_MSEC};
const struct throttle_rule throttle_forks = {
    .n_free = 0, .first_usec = 100 * USEC_PER_MSEC, .max_usec = 10 * USEC_PER_SEC};

uint64_t throttle_fail(struct throttle *throttle, const struct throttle_rule *rule,
                       uint64_t now_usec)
{
    uint64_t wait = rule->first_usec;

    if (throttle->n_failures < UINT32_MAX)
        throttle->n_failures++;
    if (!throttle_is_on(throttle, rule))
        return 0;
    for (unsigned i = rule->n_free + 1; i < throttle->n_failures && wait < rule->max_usec; i++)
        wait *= 2;
    if (wait > rule->max_usec)
        wait = rule->max_usec;
    if (now_usec + wait > throttle->until_usec)
        throttle->until_usec = now_usec + wait;
    return wait;
}

bool throttle_is_on(const struct throttle *throttle, const struct throttle_rule *rule)
{
    return throttle->n_failures > rule->n_free;
}

void throttle_reset(struct throttle *throttle)
{
    *throttle = (struct throttle){0};
}

uint64_t throttle_wait(const struct throttle *throttle, uint64_t now_usec)
{
    return throttle->until_usec > now_usec ? throttle->until_usec - now_usec : 0;
}
