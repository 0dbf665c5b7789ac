// SPDX-License-Identifier: MIT
// The object /tcpd, and the answers of Reload().
#pragma once

#include "control/control_connection.h"

// Puts the object on a connection's bus. 0 or -errno.
int control_add_object(struct control_connection *connection);
// Whether it may do what changes something, or costs something: that is for root and for who has
// opened the control socket: the user that tcpd runs as, where it did that itself, else the service
// manager's. Else the error is set, and `request` logged.
bool control_may_steer(const struct control_connection *connection, const char *request,
                       sd_bus_error *error);
// Gives up the calls that wait, without an answer.
void control_forget_calls(struct control_connection *connection);
// From now on what the master does answers the calls that wait.
void control_watch(struct control *control);
