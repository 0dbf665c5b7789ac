// SPDX-License-Identifier: MIT
// explain without an address: everything that is not as it should be.
#pragma once

#include <systemd/sd-bus.h>

#include "ctl/options.h"

// Asks and prints. The exit status: EXPLAIN_REFUSED if something was found.
int findings_show(sd_bus *bus, const struct options *options);
