// SPDX-License-Identifier: MIT
#include "import/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

static const char help[] =
    "usage: tcpd-import [--strict] inetd | xinetd | tcprules FILE...\n"
    "Prints a configuration of tcpd that serves what these files do.\n"
    "\n"
    "  inetd      FILE is written as /etc/inetd.conf\n"
    "  xinetd     FILE is written as /etc/xinetd.conf; what it includes is read, too\n"
    "  tcprules   FILE has rules of tcprules, ADDRESS:allow or ADDRESS:deny\n"
    "  FILE       - is standard input\n"
    "\n"
    "What is lost has a line FILE:LINE: warning: WHAT on standard error, and a comment at its\n"
    "place, which begins with NOT IMPORTED. What would let in more than before is a comment.\n"
    "\n"
    "      --strict   exit status 1 if anything is lost\n"
    "  -V, --version  print the version\n"
    "  -h, --help     print this\n"
    "\n"
    "exit status: 0 done, 1 something is lost and --strict, 64 usage, 71 cannot write,\n"
    "             78 a FILE cannot be read\n";

static const char *const format_names[FORMATS] = {
    [FORMAT_INETD] = "inetd", [FORMAT_XINETD] = "xinetd", [FORMAT_TCPRULES] = "tcprules"};

__attribute__((noreturn)) static void inform(const char *text)
{
    (void)fputs(text, stdout);
    exit(fflush(stdout) == 0 && !ferror(stdout) ? EX_OK : EX_OSERR);
}

__attribute__((noreturn)) static void refuse(const char *what, const char *text)
{
    (void)fprintf(stderr, "tcpd-import: %s%s; see tcpd-import --help\n", what, text);
    exit(EX_USAGE);
}

struct options options_parse(int argc, char **argv)
{
    static const struct option names[] = {
        {"strict", no_argument, NULL, 's'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {0},
    };
    struct options options = {0};
    int option;

    argv[0] = program_invocation_short_name; // getopt's messages begin with it
    while ((option = getopt_long(argc, argv, "Vh", names, NULL)) >= 0)
        if (option == 's')
            options.is_strict = true;
        else if (option == 'h')
            inform(help);
        else if (option == 'V')
            inform("tcpd-import " TCPD_VERSION "\n");
        else {
            (void)fputs("See tcpd-import --help.\n", stderr); // getopt has said what is wrong
            exit(EX_USAGE);
        }
    if (optind == argc)
        refuse("say what the files are written as: inetd, xinetd or tcprules", "");
    while (options.format < FORMATS && strcmp(argv[optind], format_names[options.format]) != 0)
        options.format++;
    if (options.format == FORMATS)
        refuse("files are written as inetd, xinetd or tcprules, not ", argv[optind]);
    if (optind + 1 == argc)
        refuse("name a FILE to import, - for standard input", "");
    options.files = argv + optind + 1;
    return options;
}
