// SPDX-License-Identifier: MIT
// Whether a host is written as a number, an address of IPv4 or IPv6: such a one is neither looked
// up nor asked for by its name (RFC 6066, 3). Pure. Inline, for objects that call nothing of the
// program which loads them.
#pragma once

#include <arpa/inet.h>
#include <stdbool.h>
#include <stddef.h>

static inline bool host_is_number(const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}
