// SPDX-License-Identifier: MIT
#include "board/datagram_losses.h"

#include <stdatomic.h>

const char *const datagram_loss_names[DATAGRAM_LOSSES] = {
    [DATAGRAM_SOURCE_PORT] = "source_port", [DATAGRAM_SOURCE_ADDRESS] = "source_address",
    [DATAGRAM_OWN_SOURCE] = "own_source",   [DATAGRAM_TOO_LONG] = "too_long",
    [DATAGRAM_NO_SENDER] = "no_sender",     [DATAGRAM_AMPLIFIED] = "amplified",
    [DATAGRAM_TOO_MANY] = "too_many",       [DATAGRAM_FULL] = "full",
    [DATAGRAM_UNDELIVERED] = "undelivered",
};

void datagram_losses_count(struct datagram_losses *losses, enum datagram_loss cause)
{
    atomic_fetch_add_explicit(&losses->n[cause], 1, memory_order_relaxed);
}

uint64_t datagram_losses_read(const struct datagram_losses *losses, enum datagram_loss cause)
{
    return atomic_load_explicit(&losses->n[cause], memory_order_relaxed);
}
