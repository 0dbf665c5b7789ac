// SPDX-License-Identifier: MIT
// The connected socket: reads and writes that never block, waits that are bounded, a count of what
// went each way. Silent; every function returns a negative errno on failure.
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/address.h"

struct tls;

struct peer {
    struct tls *tls;             // over the socket, NULL: none; owned
    int fd;                      // non-blocking, -1 when empty; owned
    bool has_messages;           // one read or write is one message, an empty one the end
    bool is_datagram;            // and that is a message as others; there is no end
    uint64_t timeout_usec;       // the longest wait for the peer, or USEC_NEVER
    uint64_t n_sent, n_received; // bytes
    char name[ADDRESS_TEXT_MAX]; // the peer's address, for messages
};

// The moment timeout_usec from now; USEC_NEVER stays.
uint64_t peer_deadline(uint64_t timeout_usec);

// poll() until an event or the deadline. Blocks; goes on after signals. -ETIMEDOUT at the deadline.
int peer_poll(struct pollfd *fds, nfds_t n, uint64_t deadline_usec);

// What to poll the socket for, in place of these events.
short peer_events(const struct peer *peer, short events);
// Whether a read would give bytes, though the socket has none.
bool peer_has_more(const struct peer *peer);

// Waits, at most the peer's timeout, for events on its socket. Returns the events that came.
int peer_wait(const struct peer *peer, short events);

// Moves what can be moved at once: the number of bytes (0 from peer_read is the peer's end), or
// -EAGAIN when that is none. -EMSGSIZE: a message that is longer than size was cut, or cannot be
// sent.
ssize_t peer_read(struct peer *peer, void *data, size_t size);
ssize_t peer_write(struct peer *peer, const void *data, size_t size);

// Tells the peer that nothing more will come; reading goes on.
void peer_end_output(struct peer *peer);

// Closes it.
void peer_close(struct peer *peer);
