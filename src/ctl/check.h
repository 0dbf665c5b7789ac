// SPDX-License-Identifier: MIT
// Checking a configuration, and printing it. Results are exit statuses.
#pragma once

#include "ctl/options.h"

// By the daemon, if it runs and the configuration is its own; else by the daemon's program.
int check_configuration(const struct options *options);

// By the daemon's program.
int check_print(const struct options *options);
