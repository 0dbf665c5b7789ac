// SPDX-License-Identifier: MIT
// What the master publishes of each service for agents, which tell load balancers: one memory for
// its life, of which workers have a view alone. Nobody waits, on either side. Opened when there is
// an agent first; without one every call does nothing.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NODE_SLOTS    1024 // services with a listener: as many as there are pools at most
#define NODE_NAME_MAX 64
#define NODE_WHY_MAX  119
#define NODE_OLD_SEC  10 // news that are older are none: the master hangs
#define NODE_NO_SLOT  NODE_SLOTS

enum node_state {
    NODE_ABSENT, // it is not served here
    NODE_SERVING,
    NODE_DRAINING, // new clients are to go elsewhere
    NODE_FAILING,
    NODE_MAINTENANCE,
    NODE_STATES
};

struct node_news {
    enum node_state state;
    unsigned weight;            // by its load: 10 to 100
    unsigned max;               // workers that it may have
    uint32_t second;            // when that was, of CLOCK_MONOTONIC
    char why[NODE_WHY_MAX + 1]; // of maintenance: "by root: REASON"; printable ASCII
};

// --- The master's ---
// Makes it, once. 0 or -errno. Children have no more than the view.
int node_page_open(void);
// The slot of a service, which is its own from now on; NODE_NO_SLOT: all are taken, or there is no
// page.
size_t node_page_assign(const char *name);
// All slots but those of these are free again.
void node_page_keep(const size_t *slots, size_t n);
bool node_page_is_free(size_t slot);
// news->second counts; news->why only if the state is NODE_MAINTENANCE.
void node_page_write(size_t slot, const struct node_news *news);

// --- A worker's ---
// In one that needs none: the view is gone.
void node_page_forget(void);
// The slot of that service; NODE_NO_SLOT: there is none.
size_t node_page_find(const char *name);
// What was published last; NODE_ABSENT: nothing, or the slot is another service's meanwhile.
struct node_news node_page_read(size_t slot, const char *name);
