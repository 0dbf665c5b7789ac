// SPDX-License-Identifier: MIT
// The command line of tcpdctl.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum command { COMMAND_STATUS, COMMAND_RELOAD, COMMAND_STOP, COMMAND_SOCKETS, COMMANDS };

struct options {
    enum command command;
    const char *socket;
    bool json;
    bool no_wait;
    bool dry_run;
    uint64_t timeout_usec; // USEC_NEVER: none
};

// Exits for --help, --version and, with a line on stderr, wrong usage.
struct options options_parse(int argc, char **argv);
