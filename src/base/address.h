// SPDX-License-Identifier: MIT
// Addresses as people write them ("127.0.0.1:7", "*:daytime", "unix:/run/x", "ws:[::1]:8007") and
// as the kernel takes them. Parsing and formatting are pure; only address_resolve() may block. RFC
// 3493 (IPv6 sockets), RFC 5952 (IPv6 text), unix(7).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

// Enough for every text made here: "unix-seqpacket:" and a path, each byte of which takes four when
// it is escaped, or "wss:[v6%scope]:port".
#define ADDRESS_TEXT_MAX (4 * sizeof(struct sockaddr_un) + 24)
#define ADDRESS_MAX      16 // how many socket addresses one name may have; more are ignored

// What is spoken there; the names are "plain", "tls" and so on.
enum address_speaks { SPEAKS_PLAIN, SPEAKS_TLS, SPEAKS_WS, SPEAKS_WSS, SPEAKS_N };
extern const char *const address_speaks_names[SPEAKS_N];

// An address split into its parts, names not yet looked up.
struct address_spec {
    enum { ADDRESS_INET, ADDRESS_WILDCARD, ADDRESS_UNIX } kind;
    enum address_speaks speaks;
    int type;       // SOCK_STREAM, SOCK_DGRAM or SOCK_SEQPACKET
    char host[256]; // inet: host name or number, brackets removed
    char port[64];  // inet, wildcard: number or service name
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)]; // unix, NUL-terminated
};

// One socket address, ready for bind() or connect().
struct address {
    union {
        struct sockaddr any;
        struct sockaddr_storage storage;
    };
    socklen_t length;
    int type;        // of the socket
    bool dual_stack; // IPv6 wildcard that takes IPv4 too ("*:port"): IPV6_V6ONLY is switched off
};

// Splits text. NULL on success, else a constant text that says what is wrong with it.
const char *address_parse(const char *text, struct address_spec *ret_spec);

// Looks the parts up through getaddrinfo: passive (for bind) or not (for connect), family
// AF_UNSPEC, AF_INET or AF_INET6. Blocks on a name service for host names. Returns how many
// addresses were written to list (at most max), or a negative EAI_ code for
// address_strerror() (EAI_SYSTEM: errno).
int address_resolve(const struct address_spec *spec, int family, bool passive, struct address *list,
                    size_t max);
// What is wrong, in words.
const char *address_strerror(int error);

// Writes an address as text ("[::1]:7", "127.0.0.1:7", "unix:/run/x", "unix:@abstract",
// "unix:" for an unnamed peer); IPv4 mapped into IPv6 is shown as IPv4, a path as escape_bytes()
// has it, so that no two of them are the same. Returns text.
const char *address_format(const struct sockaddr *address, socklen_t length, char *text,
                           size_t size);

// Writes an address as a configuration has it, with its prefix and "*" for all: "udp:*:7",
// "ws:unix:/run/x". size: ADDRESS_TEXT_MAX is enough. Returns text.
const char *address_spell(const struct address *address, enum address_speaks speaks, char *text,
                          size_t size);

// "stream", "datagram" or "seqpacket".
const char *address_type_name(int type);

// Makes an IPv4 address of one that is mapped into IPv6 (::ffff:127.0.0.1), which a socket of IPv6
// alone cannot have.
void address_unmap(struct address *address);

bool address_is_wildcard(const struct sockaddr *address);
bool address_is_same(const struct address *a, const struct address *b);

// The port in host byte order, 0 for families without ports.
unsigned address_port(const struct sockaddr *address);
