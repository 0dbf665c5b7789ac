// SPDX-License-Identifier: MIT
// Drain(), Ready(), Maintain() and Sessions() of the control plane, and what GetStatus() tells of
// their result.
#pragma once

#include "control/control_connection.h"

int control_on_drain(sd_bus_message *message, void *userdata, sd_bus_error *error);
int control_on_ready(sd_bus_message *message, void *userdata, sd_bus_error *error);
int control_on_maintain(sd_bus_message *message, void *userdata, sd_bus_error *error);
int control_on_sessions(sd_bus_message *message, void *userdata, sd_bus_error *error);

// Of a pool's dictionary: what is ordered for its service, and by whom, since when, why.
int control_append_node(const struct master *master, const struct pool *pool,
                        sd_bus_message *reply);
