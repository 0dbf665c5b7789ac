// SPDX-License-Identifier: MIT
// Subscribe() and the signal Event(): what happens is told to every connection that has asked for
// it, and the last events are remembered for those that ask later. A peer that does not read loses
// its connection.
#pragma once

#include "control/control_connection.h"

int control_on_subscribe(sd_bus_message *message, void *userdata, sd_bus_error *error);
// The master's watcher.
void control_on_event(void *data, const struct master_event *event);
