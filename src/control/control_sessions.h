// SPDX-License-Identifier: MIT
// The answers of ListSessions() and ListWorkers(): whom each worker serves, and what it is. What
// they have is the workers' word.
#pragma once

#include "control/control_connection.h"

int control_on_list_sessions(sd_bus_message *message, void *userdata, sd_bus_error *error);
int control_on_list_workers(sd_bus_message *message, void *userdata, sd_bus_error *error);
