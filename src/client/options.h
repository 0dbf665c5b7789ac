// SPDX-License-Identifier: MIT
// The command line of tcpc, read and checked.
#pragma once

#include <stdbool.h>

#include "client/ask.h"
#include "client/connect.h"
#include "client/proxy.h"
#include "client/status.h"
#include "client/tls.h"

enum options_mode {
    OPTIONS_COPY,    // standard input and output
    OPTIONS_ASK,     // -s, -g
    OPTIONS_RECEIVE, // --prefix alone
    OPTIONS_INFORM,  // --help or --version was answered: nothing is left to do
};

struct options {
    enum options_mode mode;
    bool verbose;
    bool is_udp;      // -u
    bool has_timeout; // --timeout was given
    struct connect_request request;
    struct tls_options tls;
    struct proxy_options proxy;
    struct ask ask;
    char **texts; // owned; the strings are those of argv
};

// Reads argv, which it may reorder. STATUS_DONE, or a failure that was told on stderr; --help and
// --version are printed here. ret_options is to be released in either case.
enum status options_parse(int argc, char **argv, struct options *ret_options);
void options_done(struct options *options);
