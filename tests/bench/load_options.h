// SPDX-License-Identifier: MIT
// The load generator's command line -> `option`, and what follows from it. A wrong one ends the
// program with status 64.
#pragma once

#include <err.h>
#include <getopt.h>
#include <sys/resource.h>

#include "load_modes.h"
#include "load_values.h"

static const char options_usage[] =
    "usage: load [--mode connect|message|bulk|greeting|discard|chargen|burst] --address IPV4:PORT\n"
    "            [--in-flight N] [--size BYTES] [--seconds S] [--count N] [--expect TEXT]\n"
    "            [--limit SECONDS] [--half-close] [--hold] [--json] [--lines]\n"
    "--hold: what a burst was answered stays open until standard input ends, then is used again";

#define FOREVER (UINT64_MAX / 2)

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
        {"hold", 0, &option.hold, 1},
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

// What was not said: a text greets in full, an operation is 64 bytes, a stream has no end but its
// time, a burst is one operation for each connection, and a run takes a second.
static inline void options_complete(void)
{
    bool sized = option.size > 0;

    if (option.expect && option.mode->next != NEXT_PEER_ENDS)
        errx(64, "--expect TEXT belongs to --mode greeting");
    if (!option.expect && !sized && option.mode->next == NEXT_PEER_ENDS)
        errx(64, "--mode greeting needs --expect TEXT, or --size BYTES of any text");
    if (option.hold && option.mode->next != NEXT_HOLD)
        errx(64, "--hold belongs to --mode burst");
    if (option.mode->next == NEXT_HOLD)
        option.count = option.n_in_flight;
    if (option.expect)
        option.size = strlen(option.expect);
    else if (!sized)
        option.size = option.mode->stream ? UNBOUNDED : 64;
    if (option.run_usec == 0)
        option.run_usec = option.count > 0 || (option.mode->stream && sized) ? FOREVER
                                                                             : USEC_PER_SEC;
    if (option.count == 0)
        option.count = UNBOUNDED;
}

// A file for each connection. Exits when that many are not allowed.
static inline void options_raise_files(void)
{
    rlim_t need = option.n_in_flight + 16; // and ours
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        err(71, "getrlimit");
    if (limit.rlim_cur >= need)
        return;
    limit.rlim_cur = need;
    if (limit.rlim_max < need)
        limit.rlim_max = need; // for root
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        err(71, "%ju open files are needed; look at ulimit -Hn", (uintmax_t)need);
}
