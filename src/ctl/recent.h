// SPDX-License-Identifier: MIT
// tcpdctl sessions --recent.
#pragma once

#include <systemd/sd-bus.h>

#include "ctl/options.h"

// Asks for the last sessions and prints them. The exit status.
int recent_run(sd_bus *bus, const struct options *options);
