// SPDX-License-Identifier: MIT
// The answer of GetCounters(): what has been counted since the start, and what there is now, for
// who keeps figures over time.
#pragma once

#include "control/control_connection.h"

// Appends the answer. 0 or -errno.
int control_append_counters(const struct control *control, sd_bus_message *reply);
