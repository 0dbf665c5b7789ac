// SPDX-License-Identifier: MIT
// Connections that have got their answer, while their clients have yet to close: kept aside, so
// that the worker is free for the next one. A close with unread input would send a reset, which can
// destroy the answer on its way (B17). A worker's own; logs nothing. RFC 9293, 3.6;
// timer_create(2).
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Shuts down writing and owns fd from now on; it must not be closed elsewhere. What has come is
// dropped. The socket is closed when the peer has ended, after 2 s of silence (4 s while the worker
// is busy or waits for a client), after 30 s, or at deadline_usec (USEC_NEVER: none). Does not
// block, but for a peer that sends faster than can be looked at now and then, and while 32 are
// kept.
void linger_keep(int fd, uint64_t deadline_usec);

// The same for a client that is not served, whom nobody owes more than a word: at most a moment,
// and at most so much input. Never blocks. False: there is no room for it, and fd is as it was.
bool linger_keep_briefly(int fd);

// Whether any is kept: a signal may interrupt what blocks then.
bool linger_has_any(void);

// Before the worker exits: closes all. Blocks for 2 s at most.
void linger_finish(void);
