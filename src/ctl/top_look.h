// SPDX-License-Identifier: MIT
// Looks at the daemon that do not wait: keys are obeyed meanwhile. Each has a connection of its
// own, so that a daemon that was started again is one like any other, and the few connections that
// it takes are left to others between two looks.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "view/counters.h"

struct top_look {
    struct counters counters;
    sd_bus_message *reply; // what counters have their names in; NULL: there is no look
    uint64_t at_usec;      // when it was made
    uint64_t real_usec;    // the same, since 1970
};

// Reads an answer, which is kept. 0 or -errno.
int top_look_read(struct top_look *ret, sd_bus_message *reply);
void top_look_done(struct top_look *look);

struct top_asker {
    const char *path; // of the control socket
    uint64_t timeout_usec;
    sd_event *event;
    // The look, which is the callee's from now on; or NULL, and why there is none.
    void (*answered)(void *cookie, struct top_look *look, const char *problem);
    void *cookie;
    // Private.
    sd_bus *bus; // NULL: no look is under way
    sd_event_source *deadline;
};

// Begins a look, unless one is under way. answered() may be called before this returns.
void top_asker_ask(struct top_asker *asker);
// Forgets the look that is under way.
void top_asker_stop(struct top_asker *asker);
