// SPDX-License-Identifier: MIT
// Who may have a place at the control socket. What is asked and answered needs one for a moment;
// who listens to events keeps it, so not all places are to be had for that. Root has half of each
// kind to itself: nobody else can lock it out.
#pragma once

#include "control/control_connection.h"

// Whether another connection of that user may come.
bool control_has_place(const struct control *control, uid_t uid);
// Whether the connection, which listens to nothing yet, may listen to events. False: the error is
// set.
bool control_may_listen(const struct control_connection *connection, sd_bus_error *error);
