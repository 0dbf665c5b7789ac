// SPDX-License-Identifier: MIT
// Who has an address that cannot be had: proc_net_tcp(5) tells the sockets, /proc/PID/fd whose they
// are, as far as we may see that. A look at a moment: what was found may have gone. Reads /proc
// alone, for a bounded time; logs nothing. Not for the master: a machine may have many sockets and
// processes.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/address.h"

#define HOLDER_TEXT_MAX 512

struct holder {
    enum holder_kind {
        HOLDER_UNSEEN, // no socket was found, or /proc does not show them
        HOLDER_LISTENER,
        HOLDER_CONNECTION, // a connection has it as its local end
        HOLDER_CLOSED,     // had, until a moment ago: TIME_WAIT
    } kind;
    pid_t pid; // 0: whose it is cannot be seen
    char name[32];
    char peer[ADDRESS_TEXT_MAX]; // the other end of a connection
};

// Finds who has the address, or one that is in its way, within limit_usec. Of processes that share
// a socket it is the parent of all.
void holder_find(const struct address *address, uint64_t limit_usec, struct holder *ret);

// Whether a process has a socket that listens there, or takes datagrams.
bool holder_has_listener(pid_t pid, const struct address *address);

// Whether it is a tcpd, or systemd with a socket of a unit.
bool holder_is_tcpd(const struct holder *holder);
bool holder_is_systemd(const struct holder *holder);

// Says who it is, or the command that shows it, and what to do. Returns text.
const char *holder_describe(const struct holder *holder, const struct address *address, char *text,
                            size_t size);
