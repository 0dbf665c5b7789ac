// SPDX-License-Identifier: MIT
// Datagrams that were not answered, by cause. Counted by workers in their pool's hint page, shown
// in the status, and of no other use.
#pragma once

#include <stdint.h>

enum datagram_loss {
    DATAGRAM_GOOD,           // none
    DATAGRAM_SOURCE_PORT,    // a service's own, which would answer the answer
    DATAGRAM_SOURCE_ADDRESS, // no address of one machine
    DATAGRAM_OWN_SOURCE,     // it is tcpd's own
    DATAGRAM_TOO_LONG,       // the kernel cut it
    DATAGRAM_NO_SENDER,      // a unix socket without a name
    DATAGRAM_AMPLIFIED,      // the answer is too long for the question
    DATAGRAM_TOO_MANY,       // answers
    DATAGRAM_FULL,           // the peer, or the way to it, takes no more now
    DATAGRAM_UNDELIVERED,    // the kernel cannot send it
    DATAGRAM_LOSSES,
};

// As the status has them; NULL for DATAGRAM_GOOD.
extern const char *const datagram_loss_names[DATAGRAM_LOSSES];

struct datagram_losses {
    _Atomic uint64_t n[DATAGRAM_LOSSES];
};

void datagram_losses_count(struct datagram_losses *losses, enum datagram_loss cause);
uint64_t datagram_losses_read(const struct datagram_losses *losses, enum datagram_loss cause);
