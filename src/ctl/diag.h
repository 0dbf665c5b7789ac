// SPDX-License-Identifier: MIT
// What the kernel knows of TCP connections: sock_diag(7), which everybody may ask. The daemon has
// nothing to do with it.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct diag_end {
    uint8_t ip[16]; // of IPv4 as one that is mapped into IPv6
    uint16_t port;
};

struct diag_socket {
    struct diag_end local, remote;
    uint8_t state;       // TCP_ESTABLISHED ... of netinet/tcp.h
    uint32_t inode;      // 0: nobody has it: it was not accepted yet, or is closed already
    uint32_t recv_q;     // bytes that have come, and were not read
    uint32_t send_q;     // bytes that were not acknowledged, ...
    uint32_t unsent;     // ... and those of them that were not sent yet
    bool has_info;       // the following, too
    uint32_t rtt_usec;   // a round trip, smoothed
    uint32_t resent;     // segments
    uint32_t quiet_ms;   // since the last acknowledgement of the client's
    uint32_t waiting_ms; // of one that was not accepted yet: since its handshake
    uint64_t received, acknowledged; // bytes in all
};

struct diag_sockets {
    struct diag_socket *sockets; // owned
    size_t n;
};

// All connections of this network namespace, but those that wait for their number to be free. 0 or
// -errno; then there are none.
int diag_read(struct diag_sockets *ret);
void diag_done(struct diag_sockets *sockets);

// One of the kernel's answers: struct inet_diag_msg and its attributes. False: it is none.
bool diag_parse(const void *data, size_t size, struct diag_socket *ret);
