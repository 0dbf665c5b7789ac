// SPDX-License-Identifier: MIT
// The header of the PROXY protocol, versions 1 and 2: what a proxy sends first to say for whom it
// has connected. Reading and writing are pure: they work on buffers, know no sockets and allocate
// nothing; shared by daemon and client. proxy-protocol.txt of HAProxy.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"

#define PROXY_HEADER_MAX 4096 // the longest header taken
#define PROXY_LINE_MAX   107  // the longest of version 1

enum proxy_kind {
    PROXY_V1,
    PROXY_V2,
    PROXY_LOCAL,   // the sender speaks for itself: a health check
    PROXY_UNKNOWN, // the sender does not say, or in a way that is not a stream of IP
    PROXY_KINDS,
};
extern const char *const proxy_kind_names[PROXY_KINDS]; // "v1", "v2", "local", "unknown"

enum proxy_versions { PROXY_ANY_VERSION, PROXY_V1_ALONE, PROXY_V2_ALONE, PROXY_VERSIONS };
extern const char *const proxy_version_names[PROXY_VERSIONS]; // "any", "v1", "v2"

enum proxy_verdict { PROXY_MORE, PROXY_DONE, PROXY_BAD };

// Why a header is bad; proxy_reason_words has what the log says of it.
enum proxy_reason {
    PROXY_GOOD,
    PROXY_NOT_PROXY,
    PROXY_BAD_VERSION,
    PROXY_BAD_LINE,
    PROXY_BAD_SYNTAX,
    PROXY_BAD_ADDRESS,
    PROXY_BAD_PORT,
    PROXY_BAD_COMMAND,
    PROXY_BAD_FAMILY,
    PROXY_BAD_LENGTH,
    PROXY_BAD_TLV,
    PROXY_BAD_CRC,
    PROXY_REASONS,
};
extern const char *const proxy_reason_words[PROXY_REASONS];

// Bytes of the buffer that was read; data NULL: there are none, or they are not what they should
// be.
struct proxy_bytes {
    const uint8_t *data;
    size_t length;
};

// What a header says. The addresses are set of PROXY_V1 and PROXY_V2 alone, IPv4 that was mapped
// into IPv6 as IPv4. Texts are printable ASCII.
struct proxy_header {
    enum proxy_kind kind;
    enum proxy_reason reason; // of PROXY_BAD
    size_t length;            // of PROXY_DONE: what stands behind is not the header's
    struct address client, destination;
    struct proxy_bytes authority; // letters, digits, ".", "_" and "-", as the next two
    struct proxy_bytes tls_version, tls_cipher;
    struct proxy_bytes tls_name;  // of the client's certificate, which the sender has verified
    struct proxy_bytes unique_id; // any bytes
};

// Looks at the first n bytes of a connection. PROXY_MORE: all of them belong to the header, and it
// is not whole; never for n >= PROXY_HEADER_MAX. PROXY_BAD is said at the first byte that decides,
// so it does not depend on how the bytes came in.
enum proxy_verdict proxy_header_scan(const uint8_t *data, size_t n, enum proxy_versions versions,
                                     struct proxy_header *ret);

// A field behind the addresses of version 2.
struct proxy_tlv {
    uint8_t type;
    const void *value;
    size_t length;
};

// What is to be said.
struct proxy_message {
    enum proxy_kind kind;
    const struct sockaddr *source, *destination; // of PROXY_V1 and PROXY_V2
    const struct proxy_tlv *tlvs;                // of PROXY_V2 and PROXY_LOCAL
    size_t n_tlvs;
    bool has_crc; // the first TLV is a checksum
};

// Writes a header. Families that differ become IPv6. PROXY_UNKNOWN is of version 1. Returns its
// length, or -EMSGSIZE: it is longer than size; -EAFNOSUPPORT: an address is of a family that the
// version does not have, or one is a path and the other is not.
ssize_t proxy_header_write(const struct proxy_message *message, uint8_t *data, size_t size);
