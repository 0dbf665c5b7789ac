// SPDX-License-Identifier: MIT
// Looks at the daemon. Each has a connection of its own, so that a daemon that was started again is
// one like any other, and the few connections that it takes are left to others between two looks.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "ctl/top_link.h"
#include "view/counters.h"
#include "view/sessions.h"

struct top_look {
    struct counters counters;
    sd_bus_message *reply; // what counters have their names in; NULL: there is no look
    struct sessions sessions;
    bool is_asked;      // for sessions
    bool has_sessions;  // false though it is asked: the daemon is older than they are
    bool is_cut;        // it has more of them
    uint64_t at_usec;   // when it was made
    uint64_t real_usec; // the same, since 1970
};

// Reads the counters, which are kept. 0 or -errno; then it is empty.
int top_look_read(struct top_look *ret, sd_bus_message *reply);
// Asks for the sessions of a service, "" for all, as well, and waits for them.
void top_look_add_sessions(struct top_look *look, sd_bus *bus, const char *service,
                           uint64_t timeout_usec);
void top_look_done(struct top_look *look);

// Looks without waiting.
struct top_asker {
    struct top_link link; // whose answers come here
    const char *service;
    bool wants_sessions;
    // The look, which is the callee's from now on; or NULL, and why there is none.
    void (*looked)(void *cookie, struct top_look *look, const char *problem);
    void *cookie;
    struct top_look look; // private: what has come of it
};

// Sets all of it. Its place must stay.
void top_asker_init(struct top_asker *asker, const char *path, uint64_t timeout_usec,
                    sd_event *event);
// Begins a look, unless one is under way. looked() may be called before this returns.
void top_asker_ask(struct top_asker *asker);
// Forgets the look that is under way.
void top_asker_stop(struct top_asker *asker);
