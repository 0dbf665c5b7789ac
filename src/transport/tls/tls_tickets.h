// SPDX-License-Identifier: MIT
// Session tickets (RFC 8446, 4.6.1; RFC 5077): what a client brings back, so that a later
// connection needs no certificate. Their keys come from secrets in a page that the master alone can
// write, and every worker reads: so any worker takes any ticket, also after a reload.
#pragma once

#include <stdint.h>

#define TLS_TICKET_SECRETS 3
#define TLS_TICKET_AGE_SEC (8 * 3600) // after which there is a new one; tickets live for 12 hours

struct tls_ticket_secret {
    uint8_t name[16]; // by which a ticket says whose it is
    uint8_t secret[32];
};

// sequence is odd while the master writes. [0] is for new tickets.
struct tls_ticket_page {
    _Atomic uint32_t sequence;
    uint32_t n;
    struct tls_ticket_secret secrets[TLS_TICKET_SECRETS];
};
