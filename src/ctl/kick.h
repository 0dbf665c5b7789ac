// SPDX-License-Identifier: MIT
// tcpdctl kick.
#pragma once

#include <systemd/sd-bus.h>

#include "ctl/options.h"

// Ends sessions and says so of each. The exit status: 1 if one of them was not ended.
int kick_run(sd_bus *bus, const struct options *options);
