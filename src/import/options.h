// SPDX-License-Identifier: MIT
// The command line of tcpd-import.
#pragma once

#include <stdbool.h>

struct options {
    enum { FORMAT_INETD, FORMAT_XINETD, FORMAT_TCPRULES, FORMATS } format;
    bool is_strict;
    char **files; // NULL at the end; "-" is standard input
};

// Exits for --help, --version and, with a line on stderr, wrong usage.
struct options options_parse(int argc, char **argv);
