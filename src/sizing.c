// SPDX-License-Identifier: MIT
// Pool sizes: up at once by what is missing, down slowly after a surplus has lasted. Never above
// max; never below min.

#include "sizing.h"

#include "base.h"

#define TOKEN_USEC (USEC_PER_SEC / SIZING_PER_SEC)

unsigned sizing_target(const struct sizing_limits *limits, const struct sizing_counts *counts)
{
    unsigned idle = counts->idle < counts->active ? counts->idle : counts->active;
    uint64_t target = (uint64_t)(counts->active - idle) + counts->queued + limits->spare;

    if (target < limits->min)
        target = limits->min;
    return target > limits->max ? limits->max : (unsigned)target;
}

unsigned sizing_missing(const struct sizing_limits *limits, const struct sizing_counts *counts)
{
    unsigned target = sizing_target(limits, counts);

    return target > counts->active ? target - counts->active : 0;
}

unsigned sizing_excess(const struct sizing_limits *limits, const struct sizing_counts *counts,
                       struct sizing_surplus *surplus, uint64_t now_usec)
{
    unsigned target = sizing_target(limits, counts);

    if (counts->active > limits->max)
        return counts->active - limits->max;
    if (counts->active <= target) {
        surplus->since_usec = 0;
        return 0;
    }
    if (surplus->since_usec == 0)
        surplus->since_usec = now_usec;
    if (now_usec - surplus->since_usec < SIZING_SURPLUS_USEC)
        return 0;
    return (counts->active - target + 7) / 8;
}

unsigned sizing_take(struct sizing_bucket *bucket, unsigned wanted, uint64_t now_usec)
{
    uint64_t full = SIZING_BURST * TOKEN_USEC;
    uint64_t earned = now_usec - bucket->filled_usec;
    uint64_t available;

    if (bucket->filled_usec == 0 || earned > full)
        earned = full;
    bucket->tokens_usec += earned;
    if (bucket->tokens_usec > full)
        bucket->tokens_usec = full;
    bucket->filled_usec = now_usec;

    available = bucket->tokens_usec / TOKEN_USEC;
    if (wanted > available)
        wanted = (unsigned)available;
    bucket->tokens_usec -= wanted * TOKEN_USEC;
    return wanted;
}
