// SPDX-License-Identifier: MIT
// The answer of Explain(): what would happen to a client at each listener.
#pragma once

#include "control/control_connection.h"

// For everybody whom the socket admits: it says no more than connecting would, but for the places
// of rules.
int control_on_explain(sd_bus_message *message, void *userdata, sd_bus_error *error);
