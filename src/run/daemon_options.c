// SPDX-License-Identifier: MIT
#include "run/daemon_options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "access/explain.h"

static const char help[] =
    "usage: tcpd [-c FILE] [-C PATH] [-t [--explain ADDRESS] | -T] [-v] [-l]\n"
    "       tcpd run [OPTION...] PROGRAM [ARGUMENT...]\n"
    "A preforking TCP server: serves what FILE says, in the foreground. `tcpd run` serves a "
    "program\n"
    "without a FILE; see `tcpd run --help`.\n"
    "\n"
    "  -c, --config FILE  read FILE and FILE.d/*.conf instead of " TCPD_CONFIG ";\n"
    "                     - is standard input\n"
    "  -C, --control PATH open a control socket there, for tcpdctl -s PATH\n"
    "  -t, --check        check the configuration, say what would be served where, exit\n"
    "      --explain ADDRESS\n"
    "                     with -t: say instead which services a client of that address may use\n"
    "      --through PROXY\n"
    "                     as if a proxy with this address had announced it\n"
    "  -T, --print        the same, but print every setting with its value and its place\n"
    "  -v, --verbose      log more\n"
    "  -l, --levels       begin each log line with its level, as systemd reads it: <6>\n"
    "  -V, --version      print the version\n"
    "  -h, --help         print this\n"
    "\n"
    "signals: TERM drains and stops, a second TERM, INT or QUIT stops at once; HUP reloads;\n"
    "         USR1 logs the status; TTIN, TTOU: one worker more, one fewer, per pool\n"
    "exit status: 0 stopped, 3 refused (--explain), 64 usage, 68 address not available,\n"
    "             69 address in use, 71 system error, 74 output lost, 75 socket shut down,\n"
    "             77 permission denied, 78 configuration\n";

static void print(const char *text)
{
    (void)fputs(text, stdout);
    exit(fflush(stdout) == 0 && !ferror(stdout) ? EX_OK : EX_IOERR);
}

static void refuse(const char *text)
{
    (void)fprintf(stderr, "tcpd: %s\n", text);
    exit(EX_USAGE);
}

static void check_explained(const struct daemon_options *options)
{
    struct sockaddr_storage unused;

    if (options->explained &&
        (!options->check || options->print || !explain_parse(options->explained, &unused)))
        refuse("--explain takes an address as 192.0.2.7 or 2001:db8::7, after -t");
    if (options->through && (!options->explained || !explain_parse(options->through, &unused)))
        refuse("--through takes the address of a proxy as 192.0.2.7 or 2001:db8::7, and belongs to "
               "--explain");
}

void daemon_options_parse(int argc, char **argv, struct daemon_options *ret)
{
    static const struct option names[] = {
        {"config", required_argument, NULL, 'c'},
        {"control", required_argument, NULL, 'C'},
        {"check", no_argument, NULL, 't'},
        {"print", no_argument, NULL, 'T'},
        {"explain", required_argument, NULL, 'e'},
        {"through", required_argument, NULL, 'p'},
        {"verbose", no_argument, NULL, 'v'},
        {"levels", no_argument, NULL, 'l'},
        {"version", no_argument, NULL, 'V'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    int option;

    *ret = (struct daemon_options){.path = TCPD_CONFIG};
    argv[0] = program_invocation_short_name; // getopt's messages begin with it
    while ((option = getopt_long(argc, argv, "c:C:tTvlVh", names, NULL)) >= 0)
        switch (option) {
        case 'c':
            ret->path = optarg;
            break;
        case 'T':
            ret->print = true;
            ret->check = true;
            break;
        case 'C':
            ret->control = optarg;
            break;
        case 'e':
            ret->explained = optarg;
            break;
        case 'p':
            ret->through = optarg;
            break;
        case 't':
            ret->check = true;
            break;
        case 'v':
            ret->verbose = true;
            break;
        case 'l':
            ret->levels = true;
            break;
        case 'V':
            print("tcpd " TCPD_VERSION "\n");
            break;
        case 'h':
            print(help);
            break;
        default:
            (void)fputs("See tcpd --help.\n", stderr); // getopt has said what is wrong
            exit(EX_USAGE);
        }
    if (optind < argc) {
        (void)fprintf(stderr, "tcpd: unexpected argument \"%s\"; see tcpd --help\n", argv[optind]);
        exit(EX_USAGE);
    }
    check_explained(ret);
}
