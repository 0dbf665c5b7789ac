// SPDX-License-Identifier: MIT
// The command line of tcpdctl.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ctl/log_options.h"
#include "ctl/session_options.h"
#include "ctl/steer_options.h"
#include "ctl/top_options.h"

enum command {
    COMMAND_STATUS,
    COMMAND_METRICS,
    COMMAND_TOP,
    COMMAND_SESSIONS,
    COMMAND_KICK,
    COMMAND_LOG,
    COMMAND_EXPLAIN,
    COMMAND_SOURCES,
    COMMAND_PARDON,
    COMMAND_RELOAD,
    COMMAND_STOP,
    COMMAND_CHECK,
    COMMAND_CONFIG,
    COMMAND_SOCKETS,
    COMMAND_DRAIN,
    COMMAND_READY,
    COMMAND_MAINT,
    COMMAND_PAUSE,
    COMMAND_RESUME,
    COMMAND_RESIZE,
    COMMAND_EVENTS,
    COMMANDS
};

struct options {
    enum command command;
    const char *socket;
    const char *unit;     // the daemon's, NULL: the socket was named
    const char *instance; // NULL: none
    const char *file;     // the configuration that the unit reads, or that was named
    const char *address;  // explain, pardon: of the client
    const char *service;  // explain, sources, pardon, sessions, log, top, pause ...: "" for all
    const char *through;  // explain: of a proxy, "" for none
    bool is_elsewhere;    // the file is none of the unit's
    char **services;      // drain, ready, maint: those that are named, then NULL; none: all
    const char *reason;   // maint
    bool json;
    bool open_metrics;
    const char *output;              // a file, NULL: standard output
    const char *peer;                // sessions, kick, log: of whom; NULL: whosoever they are
    struct session_options sessions; // sessions, kick
    struct log_options log;
    struct top_options top;
    struct steer_options steer; // resize, drain, events
    bool wait;
    bool no_wait;
    bool dry_run;
    uint64_t timeout_usec; // USEC_NEVER: none
};

// Exits for --help, --version and, with a line on stderr, wrong usage. What they point to is
// never freed.
struct options options_parse(int argc, char **argv);
