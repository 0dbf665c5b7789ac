// SPDX-License-Identifier: MIT
// Datagrams of UDP and of unix sockets as a stage. All workers of a listener receive from its one
// socket, and the kernel gives each datagram to one of them: it is a session, whose input is that
// message and then the end. Each message that is written is a datagram back, from the address that
// was asked, and never waits: what the kernel does not take at once is dropped, as datagrams may
// be. ip(7), ipv6(7), unix(7).
#pragma once

#include <sys/socket.h>

#include "transport/datagram_rules.h"
#include "transport/stage.h"

#define DATAGRAM_MAX (64 * 1024)

struct datagram_settings {
    struct datagram_rules rules;
    struct datagram_losses *losses;
    // Where answers leave: a second descriptor of the listener, as the first becomes the dead
    // socket at TERM.
    int out;
};

// The one of this process.
struct stage *datagram_stage(const struct datagram_settings *settings);

// Waits for the next datagram that may be served, and has it ready for the session. 0, or -1 and
// errno as of recvmsg(2). The peer's address is that of accept(2).
int datagram_receive(int listener, struct sockaddr_storage *ret_peer, socklen_t *ret_length);
