// SPDX-License-Identifier: MIT
// From a name to a connected socket: looks the name up, tries each of its addresses in order, each
// with a socket of its own.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "client/peer.h"
#include "client/status.h"

struct connect_request {
    struct address_spec target;
    struct address_spec source; // bound before connecting, when has_source
    bool has_source;
    int family;            // AF_UNSPEC, AF_INET or AF_INET6
    uint64_t timeout_usec; // for each address; USEC_NEVER leaves it to the kernel
};

// Connects and fills *ret_peer (its fd is the caller's). Blocks. Tells every failure on stderr when
// no address answers, and returns the last one's status.
enum status connect_open(const struct connect_request *request, struct peer *ret_peer);
