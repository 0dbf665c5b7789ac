// SPDX-License-Identifier: MIT
// The answer of ListRecent(): the last sessions of each worker that runs. What they have is the
// workers' word.
#pragma once

#include "control/control_connection.h"

int control_on_list_recent(sd_bus_message *message, void *userdata, sd_bus_error *error);
