// SPDX-License-Identifier: MIT
// D-Bus values as JSON (RFC 8259): numbers and booleans as such, strings escaped, a{sv} and every
// other dictionary with string keys as an object, arrays and structs as arrays, variants as what
// they hold.
#pragma once

#include <stdio.h>
#include <systemd/sd-bus.h>

// Writes a string with its quotes.
void json_print_string(FILE *stream, const char *text);

// Writes the next complete value of the message. 1; 0 at the end, with nothing written; -errno:
// -EOPNOTSUPP for a type that JSON has no form for.
int json_print_value(FILE *stream, sd_bus_message *message);
