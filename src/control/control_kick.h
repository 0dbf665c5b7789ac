// SPDX-License-Identifier: MIT
// EndSession(): has a worker end one session (session/session_kick.h), and answers when that is so.
// A worker that does not do it is killed.
#pragma once

#include "control/control_connection.h"

int control_on_end_session(sd_bus_message *message, void *userdata, sd_bus_error *error);

// Gives up what waits for an answer of this connection, or of all (NULL). What was ordered happens.
void control_kick_forget(struct control *control, const struct control_connection *connection);
