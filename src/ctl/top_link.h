// SPDX-License-Identifier: MIT
// Calls of the daemon that do not wait: keys are obeyed meanwhile. Says nothing on stderr, where
// the screen is.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

struct top_link {
    const char *path;      // of the control socket
    uint64_t timeout_usec; // for all calls over one connection
    sd_event *event;
    // A call was answered, by a reply that may be an error; or it was not: reply NULL, and why.
    // Then the connection is closed already.
    void (*answered)(void *cookie, sd_bus_message *reply, const char *problem);
    void *cookie;
    // Private.
    sd_bus *bus; // NULL: it is closed
    sd_event_source *deadline;
};

static inline bool top_link_is_open(const struct top_link *link)
{
    return link->bus;
}

// False: there is no connection, and answered() has said so.
bool top_link_open(struct top_link *link);
// Forgets what was called.
void top_link_close(struct top_link *link);

// A call to be filled, NULL: there is none. Its arguments are appended, then it is sent, which
// takes it. r: what appending has returned.
sd_bus_message *top_link_new(struct top_link *link, const char *method);
void top_link_send(struct top_link *link, sd_bus_message *call, int r);
