// SPDX-License-Identifier: MIT
// The secrets of session tickets: one page for the life of the master, of which nobody else has
// more than a view. Nothing is kept over a restart: then clients make full handshakes.
#pragma once

#include "transport/tls/tls_tickets.h"

// The view, made at the first call. NULL: it cannot be had, and there are no tickets. Only the
// process that calls it first can write, not its children.
const struct tls_ticket_page *ticket_page_open(void);

// In the master, now and then: a new secret, when the last one is old. now_usec: monotonic.
void ticket_page_turn(uint64_t now_usec);

// In a worker that needs none: the view is gone.
void ticket_page_forget(void);
