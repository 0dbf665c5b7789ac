// SPDX-License-Identifier: MIT
// The certificates that services show, as a table.
#pragma once

#include <stdio.h>
#include <systemd/sd-bus.h>

// Reads the last part of the answer of GetStatus(); without certificates nothing is printed. 0 or
// -errno.
int report_certificates(FILE *stream, sd_bus_message *reply);
