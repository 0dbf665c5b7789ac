// SPDX-License-Identifier: MIT
// The answer of GetStatus() for people and for programs.
#pragma once

#include <stdio.h>
#include <systemd/sd-bus.h>

// A few lines about the daemon, then tables of its listeners and of certificates. 0 or -errno.
int report_table(FILE *stream, sd_bus_message *reply);
