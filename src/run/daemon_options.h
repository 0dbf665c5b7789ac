// SPDX-License-Identifier: MIT
// The command line of the daemon itself.
#pragma once

#include <stdbool.h>

struct daemon_options {
    const char *path;      // of the configuration, "-": standard input
    const char *control;   // where the control socket is to be, NULL: where the configuration says
    const char *explained; // the address of a client, NULL: nobody asks
    const char *through;   // of a proxy that would announce it, NULL: it comes by itself
    bool check, print, verbose, levels;
};

// Exits for --help, --version and wrong usage. Texts are those of the command line.
void daemon_options_parse(int argc, char **argv, struct daemon_options *ret);
