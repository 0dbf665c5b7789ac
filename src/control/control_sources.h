// SPDX-License-Identifier: MIT
// The answers of Sources() and Pardon(): who has connections and penalties, and forgiveness. For
// those who may steer the daemon, as addresses of clients are in there.
#pragma once

#include "control/control_connection.h"

int control_on_sources(sd_bus_message *message, void *userdata, sd_bus_error *error);
int control_on_pardon(sd_bus_message *message, void *userdata, sd_bus_error *error);
