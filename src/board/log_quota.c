// SPDX-License-Identifier: MIT
// Counters of records by a hash of where the client is, and a token bucket in one number.

#include "board/log_quota.h"

#include <netinet/in.h>
#include <stdatomic.h>
#include <stddef.h>

#include "base/base.h"

#define NSEC_PER_SEC UINT64_C(1000000000)

const char *const log_loss_names[LOG_LOSSES] = {
    [LOG_LOSS_SOURCE] = "source",
    [LOG_LOSS_RATE] = "rate",
    [LOG_LOSS_READER] = "reader",
    [LOG_LOSS_WORKER] = "worker",
};

// FNV-1a.
static uint32_t hash(const uint8_t *bytes, size_t n)
{
    uint32_t value = 2166136261U;

    for (size_t i = 0; i < n; i++)
        value = (value ^ bytes[i]) * 16777619U;
    return value;
}

unsigned log_quota_source(const struct sockaddr *peer)
{
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)peer;
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)peer;
    uint32_t value = 0;

    if (peer->sa_family == AF_INET)
        value = hash((const uint8_t *)&in->sin_addr, sizeof(in->sin_addr));
    else if (peer->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
        value = hash(in6->sin6_addr.s6_addr + 12, 4);
    else if (peer->sa_family == AF_INET6)
        value = hash(in6->sin6_addr.s6_addr, 8);
    return (value ^ value >> 16) % LOG_QUOTA_SOURCES;
}

bool log_quota_take(struct log_quota *quota, const struct sockaddr *peer)
{
    _Atomic uint16_t *count = &quota->sources[log_quota_source(peer)];

    if (atomic_load_explicit(count, memory_order_relaxed) < LOG_QUOTA) {
        (void)atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
        return true;
    }
    log_quota_count(quota, LOG_LOSS_SOURCE, 1);
    return false;
}

// The bucket is the time at which it would be full again (GCRA): a record moves it on by its share
// of a second, and may not move it further than a second from now.
bool log_quota_take_rate(struct log_quota *quota, unsigned rate, unsigned n, bool urgent,
                         uint64_t now_usec)
{
    uint64_t now = now_usec * 1000;
    uint64_t limit = now + (urgent ? NSEC_PER_SEC : NSEC_PER_SEC / 4 * 3);
    uint64_t paid = atomic_load_explicit(&quota->paid_nsec, memory_order_relaxed), next;

    if (rate == 0)
        return true;
    do {
        next = (paid > now ? paid : now) + n * (NSEC_PER_SEC / rate);
        if (next > limit && paid > now) // a full bucket gives n, however low the rate
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&quota->paid_nsec, &paid, next,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

void log_quota_count(struct log_quota *quota, enum log_loss cause, unsigned n)
{
    (void)atomic_fetch_add_explicit(&quota->losses[cause], n, memory_order_relaxed);
}

void log_quota_renew(struct log_quota *quota, uint64_t now_usec, uint32_t ret_losses[LOG_LOSSES])
{
    uint64_t latest = now_usec * 1000 + NSEC_PER_SEC;

    for (size_t i = 0; i < LOG_QUOTA_SOURCES; i++)
        atomic_store_explicit(&quota->sources[i], 0, memory_order_relaxed);
    for (size_t i = 0; i < LOG_LOSSES; i++)
        ret_losses[i] = atomic_exchange_explicit(&quota->losses[i], 0, memory_order_relaxed);
    if (atomic_load_explicit(&quota->paid_nsec, memory_order_relaxed) > latest)
        atomic_store_explicit(&quota->paid_nsec, latest, memory_order_relaxed); // a worker lied
}
