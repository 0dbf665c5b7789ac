// SPDX-License-Identifier: MIT
// What the master says, asked for one request. The last look is kept for a while, so that the next
// one can tell rates.
#pragma once

#include <systemd/sd-bus.h>

#include "config/config.h"
#include "status/status_request.h"
#include "view/counters.h"
#include "view/findings.h"
#include "view/sessions.h"
#include "view/status.h"

struct status_look {
    sd_bus *bus;
    sd_bus_message *status_reply, *counters_reply; // NULL: not asked for
    struct status status;
    struct findings findings;
    struct counters counters;
    struct sessions sessions; // the oldest first
    uint64_t usec;            // when
};

// Asks for what is needed, for two seconds at most. 0; -ENOENT: there is no control socket; -errno.
// In any case to be closed. addresses: of clients, at most.
int status_look_open(struct status_look *ret, const struct status_wish *wish,
                     enum log_addresses addresses);
void status_look_close(struct status_look *look);

// Counters of this daemon of before, and for how long that is ago; NULL: there are none.
const struct counters *status_look_before(const struct status_look *look, uint64_t *ret_usec);
