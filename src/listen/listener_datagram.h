// SPDX-License-Identifier: MIT
// Sockets for datagrams, which do not listen: an address is all it takes. The kernel counts what
// waits in them in bytes; for a unix socket it counts the messages, and tells nobody.
#pragma once

#include "listen/listener.h"

// Lets clients come: listen(2), or room for their datagrams. 0 or -errno.
int datagram_or_listen(int fd, int type, const struct service *service);

// Asks for what a worker wants to know of each datagram, where the bound socket has more than one:
// the address that was asked.
void datagram_ask(int fd);

// How much can wait there: bytes; messages of a unix socket.
unsigned datagram_room(int fd, sa_family_t family);

// Puts a new socket in the place of one that was shut down, which cannot be undone: at its address
// and with its number. 0 or -errno.
int datagram_revive(const struct listener *listener);

// From now on every datagram that comes is dropped; and no more. 0 or -errno.
int datagram_drop_all(int fd);
