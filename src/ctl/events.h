// SPDX-License-Identifier: MIT
// What happens, as it happens.
#pragma once

#include <systemd/sd-bus.h>

#include "ctl/options.h"

// Prints a line for each event until the time is over or the daemon is gone. An exit status.
int events_run(sd_bus *bus, const struct options *options);
