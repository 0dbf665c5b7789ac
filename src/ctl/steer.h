// SPDX-License-Identifier: MIT
// pause, resume, resize, and drain of one worker.
#pragma once

#include <systemd/sd-bus.h>

#include "ctl/options.h"

// Each carries the command out and says so of each listener. An exit status, after a line on
// stderr.
int steer_pause(sd_bus *bus, const struct options *options);
int steer_resume(sd_bus *bus, const struct options *options);
int steer_resize(sd_bus *bus, const struct options *options);
int steer_drain(sd_bus *bus, const struct options *options);
