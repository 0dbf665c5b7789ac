// SPDX-License-Identifier: MIT
// What load balancers are told of this node: what administrators have ordered, kept by the service
// manager over a restart, and what the master finds. Agents tell it: handlers/agent.c.
#pragma once

#include "master/master_state.h"

#define NODE_ORDER_TEXT 160

// At the start: memory, the orders of the master before, the page. 0 or -errno.
int nodes_open(struct master *master);
void nodes_close(struct master *master);

// Before a configuration is served: what its agents need. 0, or -errno with problems.
int nodes_prepare(const struct config *config, struct problems *problems);
// It has taken its place: orders of services that are gone are forgotten.
void nodes_adopt(struct master *master);

// Whether it has that service, be it left out, and it is no agent.
bool nodes_knows(const struct config *config, const char *name);

// Publishes what there is to tell, unless that was done a moment ago.
void nodes_publish(struct master *master, uint64_t now_usec);

// What is ordered: kind, uid and reason; NULL: they are ready again.
struct nodes_request {
    const struct node_order *order;
    uint32_t uid;
    char **services; // ends with NULL; empty: all
};
// NULL, or owned text of what is wrong; nothing has changed then.
char *nodes_order(struct master *master, const struct nodes_request *request);

// How many sessions those services have, or are about to have; all, if none is named. Those of
// programs that accept by themselves nobody can count. *ret_usec: how long drain_delay leaves load
// balancers still to learn that they are drained.
uint64_t nodes_count_sessions(struct master *master, char **services, uint64_t *ret_usec);

// "drained by root since 09:12". Returns text.
const char *nodes_describe(const struct node_order *order, char *text, size_t size);
// For STATUS=, behind what text has: nothing without an order.
void nodes_append_status(const struct master *master, char *text, size_t size);
