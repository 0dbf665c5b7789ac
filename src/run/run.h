// SPDX-License-Identifier: MIT
// `tcpd run`: one service from the command line, without a configuration file. Its options become
// settings through the table that tcpd.conf has, and are checked as those are.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"
#include "listen/listener.h"

#define RUN_SOURCE      "run" // stands in front of what is wrong
#define RUN_CERTIFICATE "run" // the section with the files of --certificate

// What a command line asks for, not yet checked.
struct run {
    struct config_source source; // once filled the run must not move
    struct run_setting {
        char *name, *text;
    } * settings;
    size_t n_settings;
    bool verbose;
    bool speaks_websocket;
};

// The arguments of a command line that means this, `tcpd run ...` or a program called tcpd-run; the
// first is the name. NULL: it means something else.
char **run_arguments(char **argv);

// Reads them into *ret, which run_done() releases in any case. -1: go on. Else the exit status to
// leave with, after the help or the version on standard output, or what is wrong on standard error.
int run_parse(char **arguments, struct run *ret);
void run_done(struct run *run);

// Prints where it listens, a line for each address. The caller flushes.
void run_announce(const struct listener_set *set);

// The text of the setting that was given first, NULL: it was not.
const char *run_find(const struct run *run, const char *name);

// The source's: makes a configuration of the run, with problems of what is right all the same: to
// look at, not to run. Looks at PATH, the current directory and what the handler needs.
struct config *run_load(const struct config_source *source, struct problems *problems);

// Pure: the text of `-l`, which may be a port alone, as an address. The caller owns it.
char *run_address(const char *text);
// Pure: a service's name made of a program's; at most 64 bytes. The caller owns it.
char *run_name(const char *program);
