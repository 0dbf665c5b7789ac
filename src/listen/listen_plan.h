// SPDX-License-Identifier: MIT
// Where a configuration listens, with all names looked up: plain data, which may be made in one
// process and used in another.
#pragma once

#include <stddef.h>

#include "config/config.h"

// One address of one entry of `listen`.
struct planned {
    size_t service, entry; // indices: config->services[service].listen.items[entry]
    int error;             // negative errno: this machine has no such address now
    struct address address;
};

struct listen_plan {
    struct planned *items; // in the order of services and entries
    size_t n;
};

// Looks up the names of hosts, ports and interfaces, and tries whether the machine has the
// addresses found. May block on a name service. 0 and a plan owned by the caller, or -errno with
// problems (-EHOSTUNREACH: a name was not resolved). Binds nothing that is asked for.
int listen_plan_make(const struct config *config, struct listen_plan *ret,
                     struct problems *problems);
// What is planned for an entry, one behind the other; how many that are.
size_t listen_plan_find(const struct listen_plan *plan, size_t service, size_t entry,
                        const struct planned **ret);
void listen_plan_done(struct listen_plan *plan);
