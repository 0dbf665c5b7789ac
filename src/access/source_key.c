// SPDX-License-Identifier: MIT
// Keys of sources: an address, cut to the bits that count.

#include "access/source_key.h"

#include <assert.h>
#include <string.h>
#include <sys/socket.h>

#define SCOPE_AT 4 // in a link-local address: fe80::/64 is what links have

static_assert(sizeof(struct source_key) == 3 * sizeof(uint64_t), "no gaps that would be hashed");

static bool is_link_local(const uint8_t ip[16])
{
    return ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80;
}

static void cut(uint8_t prefix[16], unsigned length)
{
    for (unsigned i = 0; i < 16; i++, length -= length < 8 ? length : 8)
        prefix[i] &= (uint8_t)(0xff00 >> (length < 8 ? length : 8));
}

struct source_key source_key_from(const uint8_t prefix[16], enum source_kind kind,
                                  const struct source_lengths *lengths)
{
    const uint32_t of_kind[SOURCE_KINDS] = {
        [SOURCE_IPV4] = lengths->ipv4,
        [SOURCE_IPV6] = lengths->ipv6,
        [SOURCE_LINK] = 128,
        [SOURCE_USER] = 32,
    };
    struct source_key key = {.kind = kind, .length = of_kind[kind]};

    memcpy(key.prefix, prefix, sizeof(key.prefix));
    cut(key.prefix, key.length);
    return key;
}

struct source_key source_key_make(const struct source_address *address,
                                  const struct source_lengths *lengths)
{
    uint8_t prefix[16] = {0};
    enum source_kind kind = SOURCE_USER;

    if (address->family == AF_INET) {
        kind = SOURCE_IPV4;
        memcpy(prefix, address->ip, 4);
    } else if (address->family == AF_INET6) {
        kind = is_link_local(address->ip) ? SOURCE_LINK : SOURCE_IPV6;
        memcpy(prefix, address->ip, sizeof(prefix));
    }
    if (kind == SOURCE_USER)
        memcpy(prefix, &address->scope, sizeof(address->scope));
    else if (kind == SOURCE_LINK)
        memcpy(prefix + SCOPE_AT, &address->scope, sizeof(address->scope));
    return source_key_from(prefix, kind, lengths);
}

struct source_address source_key_address(const struct source_key *key)
{
    static const uint16_t families[SOURCE_KINDS] = {AF_INET, AF_INET6, AF_INET6, AF_UNIX};
    struct source_address address = {.family = families[key->kind]};

    if (key->kind == SOURCE_USER) {
        memcpy(&address.scope, key->prefix, sizeof(address.scope));
        return address;
    }
    memcpy(address.ip, key->prefix, sizeof(address.ip));
    if (key->kind == SOURCE_LINK) {
        memcpy(&address.scope, address.ip + SCOPE_AT, sizeof(address.scope));
        memset(address.ip + SCOPE_AT, 0, sizeof(address.scope));
    }
    return address;
}

uint64_t source_key_hash(const struct source_key *key, const struct siphash_secret *secret)
{
    uint64_t words[3];

    memcpy(words, key, sizeof(words));
    return siphash13(secret, words, 3);
}
