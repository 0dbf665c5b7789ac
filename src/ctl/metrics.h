// SPDX-License-Identifier: MIT
// tcpdctl metrics.
#pragma once

#include "ctl/options.h"

// Asks the daemon for its counters and prints them, or puts them into the file that was named. The
// exit status. With a file, a daemon that does not answer is what the file says.
int metrics_run(const struct options *options);
