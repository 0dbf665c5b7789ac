// SPDX-License-Identifier: MIT
// The load generator's command line -> `option`, and what follows from it. A wrong one ends the
// program with status 64.
#pragma once

#include <err.h>
#include <getopt.h>
#include <sys/resource.h>

#include "load_modes.h"
#include "load_socket.h"
#include "load_values.h"
#include "load_ws.h"

static const char options_usage[] =
    "usage: load [--mode connect|message|bulk|greeting|discard|chargen|burst|refused] --address "
    "IPV4:PORT|/PATH\n"
    "            [--socket stream|datagram|seqpacket] [--websocket text|binary] [--in-flight N] "
    "[--size BYTES] [--seconds S] [--count N] [--expect TEXT]\n"
    "            [--limit SECONDS] [--half-close] [--hold] [--json] [--lines | --palindromes]\n"
    "            [--tls AUTHORITIES [--resume]] [--proxy v1|v2] [--source IPV4] [--rate N]\n"
    "--hold: what a burst was answered stays open until standard input ends, then is used again\n"
    "--palindromes: lines which a server may reverse\n"
    "--proxy: each connection begins with a header, in one segment with what follows\n"
    "--rate: new connections a second, at most; --mode refused: each is to be reset\n"
    "--tls: TLS 1.3; the first certificate is verified, for localhost, and all are the same";

#define FOREVER (UINT64_MAX / 2)

static const char *const socket_names[] = {"stream", "datagram", "seqpacket", NULL};
static const int socket_types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
static const char *const opcode_names[] = {"text", "binary", NULL};
static const int opcodes[] = {WS_TEXT, WS_BINARY};

// 192.0.2.1:40000 has connected to 198.51.100.2:443.
static const char announced_v1[] = "PROXY TCP4 192.0.2.1 198.51.100.2 40000 443\r\n";
static const char announced_v2[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"
                                   "\xc0\0\x02\x01\xc6\x33\x64\x02\x9c\x40\x01\xbb";
static const char *const announced_names[] = {"v1", "v2", NULL};

static inline void parse_announced(const char *text)
{
    bool is_v1 = value_parse_name(text, announced_names) == 0;

    option.announced = is_v1 ? announced_v1 : announced_v2;
    option.n_announced = is_v1 ? sizeof(announced_v1) - 1 : sizeof(announced_v2) - 1;
}

static inline void parse_address(const char *text)
{
    if (*text == '/')
        value_parse_path(text, &option.address.un);
    else
        value_parse_address(text, &option.address.in);
    option.address_size = *text == '/' ? sizeof(option.address.un) : sizeof(option.address.in);
}

static inline void options_parse(int argc, char **argv)
{
    static const struct option names[] = {
        {"mode", 1, NULL, 'm'},
        {"address", 1, NULL, 'a'},
        {"socket", 1, NULL, 'k'},
        {"websocket", 1, NULL, 'w'},
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
        {"palindromes", 0, &option.lines, BOTH_WAYS},
        {"tls", 1, NULL, 'T'},
        {"resume", 0, &option.resume, 1},
        {"proxy", 1, NULL, 'p'},
        {"source", 1, NULL, 'S'},
        {"rate", 1, NULL, 'r'},
        {0},
    };
    int c;

    while ((c = getopt_long(argc, argv, "", names, NULL)) != -1)
        if (c == 'm' && !(option.mode = mode_find(optarg)))
            errx(64, "%s: no such mode", optarg);
        else if (c == 'a')
            parse_address(optarg);
        else if (c == 'k')
            option.socket_type = socket_types[value_parse_name(optarg, socket_names)];
        else if (c == 'w')
            option.opcode = opcodes[value_parse_name(optarg, opcode_names)];
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
        else if (c == 'T')
            option.ca_file = optarg;
        else if (c == 'p')
            parse_announced(optarg);
        else if (c == 'S' && inet_pton(AF_INET, optarg, &option.source) != 1)
            errx(64, "%s: not an IPv4 address", optarg);
        else if (c == 'r')
            option.rate = value_parse_number(optarg, 1, 1e6);
        else if (c == 'l')
            option.limit_usec = value_parse_number(optarg, 1e6, 1e12);
        else if (c == '?')
            errx(64, "%s", options_usage);
    if (option.address_size == 0 || optind < argc)
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
    if ((option.opcode || option.socket_type == SOCK_DGRAM) && option.mode->next != NEXT_ROUND &&
        !(option.opcode && option.mode->next == NEXT_CLOSE && option.mode->sends))
        errx(64, "datagrams and WebSocket belong to --mode message, WebSocket to connect as well");
    if (option.ca_file && (option.opcode || option.socket_type != SOCK_STREAM ||
                           !option.mode->sends || !option.mode->receives))
        errx(64, "--tls belongs to streams, and to --mode connect, message, bulk, burst");
    if (option.announced &&
        (option.opcode || option.ca_file || !socket_is_tcp() || !option.mode->sends))
        errx(64, "--proxy belongs to plain TCP, and to modes that send");
    if (option.resume && !option.ca_file)
        errx(64, "--resume belongs to --tls");
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
