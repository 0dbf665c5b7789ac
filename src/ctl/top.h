// SPDX-License-Identifier: MIT
// tcpdctl top.
#pragma once

#include "ctl/options.h"

// Shows again and again what the daemon does: on a terminal until a key ends it, else as lines. The
// exit status.
int top_run(const struct options *options);
