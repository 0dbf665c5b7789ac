// SPDX-License-Identifier: MIT
// Pause(), Resume(), Resize() and DrainWorker(): what is changed while the configuration stays, for
// those who may steer the daemon.
#pragma once

#include "control/control_connection.h"

int control_on_pause(sd_bus_message *message, void *userdata, sd_bus_error *error);
int control_on_resume(sd_bus_message *message, void *userdata, sd_bus_error *error);
int control_on_resize(sd_bus_message *message, void *userdata, sd_bus_error *error);
int control_on_drain_worker(sd_bus_message *message, void *userdata, sd_bus_error *error);
