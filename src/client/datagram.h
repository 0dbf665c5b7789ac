// SPDX-License-Identifier: MIT
// The modes of tcpc for datagrams: UDP, unix-dgram. A datagram is a message, an empty one is one,
// too, and nobody says that he has ended: so what is waited for is an answer to each. The socket is
// connected, so that what comes from others is not taken for one. Both block, tell a failure on
// stderr and return its exit status.
#pragma once

#include "client/ask.h"
#include "client/peer.h"
#include "client/status.h"

// Sends each text after the answer to the one before, and prints the answers.
enum status datagram_ask(const struct ask *ask, struct peer *peer);

// Sends what is read from standard input, each read or, with FRAMING_LINE, each line by itself, and
// copies the answers to standard output, with FRAMING_LINE a line each. Ends when the input has
// ended, and as many have come as were sent.
enum status datagram_copy(enum framing framing, struct peer *peer);
