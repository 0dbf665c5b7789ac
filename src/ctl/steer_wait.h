// SPDX-License-Identifier: MIT
// Waiting for what pause and drain have begun, up to --timeout after begin_usec. An exit status,
// after a line on stderr.
#pragma once

#include <systemd/sd-bus.h>

#include "ctl/options.h"

// Until what is paused, of that service, has no worker any more.
int steer_wait_empty(sd_bus *bus, const struct options *options, uint64_t begin_usec);
// Until the worker that was drained is gone.
int steer_wait_worker(sd_bus *bus, const struct options *options, uint64_t begin_usec);
