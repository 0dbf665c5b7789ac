// SPDX-License-Identifier: MIT
// The load generator's command line -> `option`. A wrong one ends the program with status 64.
#pragma once

#include <err.h>
#include <getopt.h>

#include "load_modes.h"
#include "load_values.h"

static const char options_usage[] =
    "usage: load [--mode connect|message|bulk|greeting|discard|chargen] --address IPV4:PORT\n"
    "            [--in-flight N] [--size BYTES] [--seconds S] [--count N] [--expect TEXT]\n"
    "            [--limit SECONDS] [--half-close] [--json] [--lines]";

static inline void options_parse(int argc, char **argv)
{
    static const struct option names[] = {
        {"mode", 1, NULL, 'm'},
        {"address", 1, NULL, 'a'},
        {"in-flight", 1, NULL, 'n'},
        {"size", 1, NULL, 's'},
        {"seconds", 1, NULL, 't'},
        {"count", 1, NULL, 'c'},
        {"expect", 1, NULL, 'e'},
        {"limit", 1, NULL, 'l'},
        {"half-close", 0, &option.half_close, 1},
        {"json", 0, &option.json, 1},
        {"lines", 0, &option.lines, 1},
        {0},
    };
    int c;

    while ((c = getopt_long(argc, argv, "", names, NULL)) != -1)
        if (c == 'm' && !(option.mode = mode_find(optarg)))
            errx(64, "%s: no such mode", optarg);
        else if (c == 'a')
            option.address = value_parse_address(optarg);
        else if (c == 'n')
            option.n_in_flight = value_parse_number(optarg, 1, 1e5);
        else if (c == 's')
            option.size = value_parse_number(optarg, 1, 1e15);
        else if (c == 't')
            option.run_usec = value_parse_number(optarg, 1e6, 1e12);
        else if (c == 'c')
            option.count = value_parse_number(optarg, 1, 1e15);
        else if (c == 'e')
            option.expect = optarg;
        else if (c == 'l')
            option.limit_usec = value_parse_number(optarg, 1e6, 1e12);
        else if (c == '?')
            errx(64, "%s", options_usage);
    if (option.address.sin_port == 0 || optind < argc)
        errx(64, "%s", options_usage);
}
