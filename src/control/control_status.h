// SPDX-License-Identifier: MIT
// The answer of GetStatus(), and texts as D-Bus has them.
#pragma once

#include <string.h>

#include "control/control_connection.h"

// Appends the answer. 0 or -errno.
int control_append_status(const struct control *control, sd_bus_message *reply);

// A member of a dictionary a{sv}. 0 or -errno; a message to which something could not be appended
// cannot be sent.
int control_append_text(sd_bus_message *reply, const char *name, const char *value);
int control_append_number(sd_bus_message *reply, const char *name, unsigned value);
int control_append_long(sd_bus_message *reply, const char *name, uint64_t value);
const char *control_phase_name(enum master_phase phase);

// What is enough for every form that control_make_text() gives the text.
#define CONTROL_TEXT_SIZE(text) (4 * strlen(text) + 1)
// Copies a text in the form that a D-Bus string must have, UTF-8 without controls: bytes that are
// none become \xNN. Cut at size - 1. Returns the length.
size_t control_make_text(const char *text, char *ret, size_t size);
