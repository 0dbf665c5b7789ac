// SPDX-License-Identifier: MIT
// Who has connections and penalties at services with limits for each source, and forgiveness.
#pragma once

#include <systemd/sd-bus.h>

#include "ctl/options.h"

// Each asks and prints. They return the exit status.
int sources_show(sd_bus *bus, const struct options *options);
int sources_pardon(sd_bus *bus, const struct options *options);
