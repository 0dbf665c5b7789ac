// SPDX-License-Identifier: MIT
// tcpdctl log.
#pragma once

#include "ctl/options.h"

// Prints the sessions that the journal has of the daemon's unit, a line each; goes on with those to
// come, if that was asked for. The exit status.
int log_show(const struct options *options);
