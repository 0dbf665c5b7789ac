// SPDX-License-Identifier: MIT
// The object /tcpd, and the answers of Reload().
#pragma once

#include "control/control_connection.h"

// Puts the object on a connection's bus. 0 or -errno.
int control_add_object(struct control_connection *connection);
// Gives up the calls that wait, without an answer.
void control_forget_calls(struct control_connection *connection);
// From now on what the master does answers the calls that wait.
void control_watch(struct control *control);
