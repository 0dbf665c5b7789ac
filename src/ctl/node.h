// SPDX-License-Identifier: MIT
// drain, ready and maint: what load balancers are told of the daemon's services.
#pragma once

#include <systemd/sd-bus.h>

#include "ctl/options.h"

// Carries the command out; with --wait it waits. An exit status, after a line on stderr.
int node_order(sd_bus *bus, const struct options *options);
