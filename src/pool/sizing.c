// SPDX-License-Identifier: MIT
// Pool sizes: up at once by what is missing, down slowly after a surplus has lasted. Never above
// max; never below min.

#include "pool/sizing.h"

#include "base/base.h"

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

// Fills the bucket, up to the burst, which may be a new one.
static void fill(struct sizing_bucket *bucket, const struct spawn_rate *rate, uint64_t now_usec)
{
    uint64_t full = rate->burst * USEC_PER_SEC;
    uint64_t elapsed = now_usec - bucket->filled_usec;
    uint64_t room = bucket->level < full ? full - bucket->level : 0;
    bool fills = bucket->filled_usec == 0 || elapsed >= room / rate->per_sec + 1;

    bucket->level = fills ? full : bucket->level + elapsed * rate->per_sec;
    bucket->filled_usec = now_usec;
}

unsigned sizing_take(struct sizing_bucket *bucket, const struct spawn_rate *rate, unsigned wanted,
                     uint64_t now_usec)
{
    unsigned granted = wanted < bucket->granted ? wanted : bucket->granted;
    uint64_t available;

    fill(bucket, rate, now_usec);
    available = bucket->level / USEC_PER_SEC;
    wanted -= granted;
    if (wanted > available)
        wanted = (unsigned)available;
    bucket->granted -= granted;
    bucket->level -= wanted * USEC_PER_SEC;
    return granted + wanted;
}

void sizing_grant(struct sizing_bucket *bucket, unsigned n)
{
    bucket->granted = bucket->granted > n ? bucket->granted : n;
}
