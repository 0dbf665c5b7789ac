// SPDX-License-Identifier: MIT
// The journal, for the log alone: its native protocol, one record a datagram. Each process has a
// socket of its own, opened when there is something to say: whoever shuts it down silences itself.
#pragma once

#include <stdbool.h>
#include <stddef.h>

// Sends a record: lines of NAME=VALUE. With may_wait it waits for room for as long as the log has
// patience, else not at all. A socket that has been spoilt is opened anew. 0 or -errno.
int journal_send(const char *record, size_t size, bool may_wait);

// In a child: the parent's socket was closed.
void journal_forget(void);

// At the end of a process that has sent records: waits a moment until the journal has taken them.
// It finds out then which unit they are from, and of a process that has gone it cannot.
void journal_settle(void);
