// SPDX-License-Identifier: MIT
// What is one source: an IPv4 prefix, an IPv6 prefix, one neighbour on a link, one user of a unix
// socket. Pure.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "access/siphash.h"

// Whom a connection is for: IPv4 as IPv4, never mapped to IPv6.
struct source_address {
    uint16_t family; // AF_INET, AF_INET6, AF_UNIX
    uint8_t ip[16];
    uint32_t scope; // of a link-local address: its interface; of a unix socket: the user
};

// The bits of an address that count, 1 to 32 and 1 to 128.
struct source_lengths {
    uint8_t ipv4, ipv6;
};

enum source_kind {
    SOURCE_IPV4,
    SOURCE_IPV6,
    SOURCE_LINK, // fe80::/10, whole: of all links these would be one source
    SOURCE_USER,
    SOURCE_KINDS
};

// Prefix, kind and length are hashed together, so one prefix of another length is another source.
struct source_key {
    uint8_t prefix[16]; // SOURCE_LINK: the interface in bytes 4 to 7, which are 0 in the address
    uint32_t kind, length;
};

struct source_key source_key_make(const struct source_address *address,
                                  const struct source_lengths *lengths);
// The key that a stored prefix has if it is of that kind.
struct source_key source_key_from(const uint8_t prefix[16], enum source_kind kind,
                                  const struct source_lengths *lengths);
// Back: the first address of the source.
struct source_address source_key_address(const struct source_key *key);

static inline bool source_key_is_wide(const struct source_key *key)
{
    return key->kind == SOURCE_IPV6 || key->kind == SOURCE_LINK;
}

uint64_t source_key_hash(const struct source_key *key, const struct siphash_secret *secret);
