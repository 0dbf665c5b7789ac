// SPDX-License-Identifier: MIT
// Counters of records by a hash of where the client is.

#include "log_quota.h"

#include <netinet/in.h>
#include <stdatomic.h>
#include <stddef.h>

// FNV-1a.
static uint32_t hash(const uint8_t *bytes, size_t n)
{
    uint32_t value = 2166136261U;

    for (size_t i = 0; i < n; i++)
        value = (value ^ bytes[i]) * 16777619U;
    return value;
}

static unsigned source_of(const struct sockaddr *peer)
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
    _Atomic uint16_t *count = &quota->sources[source_of(peer)];

    if (atomic_load_explicit(count, memory_order_relaxed) < LOG_QUOTA) {
        (void)atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
        return true;
    }
    (void)atomic_fetch_add_explicit(&quota->left_out, 1, memory_order_relaxed);
    return false;
}

uint32_t log_quota_renew(struct log_quota *quota)
{
    for (size_t i = 0; i < LOG_QUOTA_SOURCES; i++)
        atomic_store_explicit(&quota->sources[i], 0, memory_order_relaxed);
    return atomic_exchange_explicit(&quota->left_out, 0, memory_order_relaxed);
}
