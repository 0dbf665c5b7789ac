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

// Fills the bucket, up to the burst; what was granted above it stays.
static void fill(struct sizing_bucket *bucket, const struct spawn_rate *rate, uint64_t now_usec)
{
    uint64_t full = rate->burst * USEC_PER_SEC;
    uint64_t elapsed = now_usec - bucket->filled_usec;
    uint64_t room = bucket->level < full ? full - bucket->level : 0;
    bool fills = bucket->filled_usec == 0 || elapsed >= room / rate->per_sec + 1;

    bucket->level += fills ? room : elapsed * rate->per_sec;
    bucket->filled_usec = now_usec;
}

unsigned sizing_take(struct sizing_bucket *bucket, const struct spawn_rate *rate, unsigned wanted,
                     uint64_t now_usec)
{
    uint64_t available;

    fill(bucket, rate, now_usec);
    available = bucket->level / USEC_PER_SEC;
    if (wanted > available)
        wanted = (unsigned)available;
    bucket->level -= wanted * USEC_PER_SEC;
    return wanted;
}

void sizing_grant(struct sizing_bucket *bucket, const struct spawn_rate *rate, unsigned n)
{
    uint64_t level = n * USEC_PER_SEC, full = rate->burst * USEC_PER_SEC;

    if (bucket->level > full)
        bucket->level = full;
    if (bucket->level < level)
        bucket->level = level;
}
