// SPDX-License-Identifier: MIT
// Prefixes of IP addresses as tcpd.conf has them: "10.0.0.0/8", "2001:db8::/32", "192.0.2.7",
// "any". An IPv4 address mapped into IPv6 is the IPv4 address, here and wherever one is compared.
// Names are not looked up. Pure. RFC 4291 (IPv6 addresses), RFC 4632 (prefixes).
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define PREFIX_TEXT_MAX  (INET6_ADDRSTRLEN + 4) // with "/128"
#define PREFIX_WRONG_MAX 256
#define PREFIX_WORD_MAX  2 // prefixes that one word stands for

struct prefix {
    uint8_t ip[16]; // of IPv4 the first 4; the rest is 0, as are bits behind the length
    uint8_t length; // in bits
    bool is_v6;
};

// A text to the prefix, or two, that it means. How many; or -EINVAL, and what is wrong, with what
// is allowed, goes to wrong: "has bits set ...".
int prefix_parse(const char *text, struct prefix ret[PREFIX_WORD_MAX],
                 char wrong[PREFIX_WRONG_MAX]);

// The shortest text that is read as the same prefix; an address alone has no length. Returns text.
const char *prefix_format(const struct prefix *prefix, char *text, size_t size);

// The address of a socket as a prefix of its full length. False: it is none of IP.
bool prefix_of_address(const struct sockaddr *address, struct prefix *ret);

bool prefix_is_same(const struct prefix *a, const struct prefix *b);
// Whether all of the other one is in it.
bool prefix_contains(const struct prefix *prefix, const struct prefix *other);
// How many bits two prefixes have in common; -1: they are of different families.
int prefix_common(const struct prefix *a, const struct prefix *b);
