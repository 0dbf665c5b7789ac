// SPDX-License-Identifier: MIT
// Whose sessions workers have died in, so that one client who crashes them is told from a service
// that is broken. A source is an IPv4 address or an IPv6 /64; the last few are kept, each for a
// minute after its last death. Where a dead worker's client was is gossip, so nobody is refused
// anything for it. Pure: time is an argument.
#pragma once

#include <stdint.h>

#include "board/scoreboard.h"

#define SOURCES     32
#define SOURCE_FREE 4 // deaths that are the service's; those after them are the source's

struct sources {
    struct source {
        uint8_t prefix[8];
        uint16_t family; // 0: free
        unsigned n_deaths;
        uint64_t last_usec;
    } items[SOURCES];
};

// Charges a death to its source; how many that one has had by now. 0: it has none.
unsigned sources_charge(struct sources *sources, const struct score_peer *peer, uint64_t now_usec);
