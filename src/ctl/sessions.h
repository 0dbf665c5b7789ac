// SPDX-License-Identifier: MIT
// tcpdctl sessions.
#pragma once

#include <systemd/sd-bus.h>

#include "ctl/options.h"
#include "view/sessions.h"

// Which sessions are asked for.
struct session_filter {
    const char *service; // "" for all
    const char *peer;    // NULL: whosoever they are
    uint64_t older_usec;
    const char *doing; // NULL: whatever it is
};

// Asks for all of them, a page at a time. The exit status; if that is EX_OK, *ret is the caller's
// to give to sessions_done().
int sessions_ask(sd_bus *bus, const struct session_filter *filter, uint64_t timeout_usec,
                 struct sessions *ret);

// Asks and prints. The exit status.
int sessions_run(sd_bus *bus, const struct options *options);
