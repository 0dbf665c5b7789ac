// SPDX-License-Identifier: MIT
// What the peer sent and nobody has printed yet: a buffer of fixed size between its socket and the
// messages in it. Silent; negative errno on failure.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/framing.h"
#include "client/peer.h"

#define INBOX_MAX (1024 * 1024) // more than any text on a command line, so than its echo

struct inbox {
    struct peer *peer;
    uint8_t *data; // INBOX_MAX bytes, owned
    size_t start, end;
    bool by_message; // reads the peer's next message only when it holds none
    bool ended;      // the peer's end was read; the data may hold more messages
    int error;       // a read or a wait failed (negative errno); the data may hold more messages
};

int inbox_init(struct inbox *inbox, struct peer *peer);
void inbox_done(struct inbox *inbox);

// Whether reading goes on: neither full nor ended nor failed.
bool inbox_is_open(const struct inbox *inbox);

// Reads what can be read without waiting, until there is no more or no room. Does not block.
void inbox_fill(struct inbox *inbox);

// Waits, each time at most the peer's timeout, until the inbox is full (true), or the peer has
// ended or failed (false: nothing more will come).
bool inbox_collect(struct inbox *inbox);

// The next message, waiting for it if need be. 1: it is in *ret and points into the inbox, until
// the next call; 0: the peer ended before one began; -EBADMSG: it ended inside one; other errors
// after the whole messages that came before them. A chunk is here whatever can be read at once.
int inbox_next(struct inbox *inbox, enum framing framing, struct message *ret);
