// SPDX-License-Identifier: MIT
// What the daemon would do with a client.
#pragma once

#include <systemd/sd-bus.h>

#include "ctl/options.h"

#define EXPLAIN_REFUSED 3 // the exit status: it is not served everywhere

// Asks and prints. Returns the exit status.
int explain_client(sd_bus *bus, const struct options *options);
