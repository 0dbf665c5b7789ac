// SPDX-License-Identifier: MIT
// The command line of tcpdctl. What a command does not know is an error: it would do nothing.

#include "ctl/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/base.h"
#include "base/timespan.h"

#define SOCKET       TCPD_RUN_DIR "/control"
#define INSTANCE_MAX 200 // bytes of a name: it is part of the name of a unit

static const char help[] =
    "usage: tcpdctl [OPTION]... COMMAND [ARGUMENT]...\n"
    "Shows the status of a running tcpd and whom it serves, reloads or stops it, checks its\n"
    "configuration, changes its sockets.\n"
    "\n"
    "  status             show the daemon, its services and their workers\n"
    "  explain ADDRESS [SERVICE]\n"
    "                     say whether a client of that address is served, and which rule decides\n"
    "  sources [SERVICE]  list who has most connections, of services that have limits for each\n"
    "                     source, and who has a penalty\n"
    "  pardon ADDRESS | all [SERVICE]\n"
    "                     forget what that source, or each, has to wait for\n"
    "  reload             have it read its configuration, and wait until that is served; when it\n"
    "                     is refused, print what is wrong\n"
    "  stop               have it finish the sessions in hand and end, and wait for that; once\n"
    "                     more: end at once\n"
    "  check [FILE | INSTANCE]\n"
    "                     check the configuration as the daemon would read it now, in its "
    "sandbox;\n"
    "                     without a daemon, or of another FILE, as you, outside of it\n"
    "  config [FILE | INSTANCE]\n"
    "                     print every setting with its value, and where each is written\n"
    "  sockets apply      have systemd open and close what the configuration has changed, and "
    "tcpd\n"
    "                     serve it; clients of other addresses lose nothing\n"
    "\n"
    "  -i, --instance NAME\n"
    "                     the daemon of tcpd@NAME.service instead of tcpd.service\n"
    "  -s, --socket PATH  the daemon's control socket instead of " SOCKET "\n"
    "      --json         status, explain, sources: JSON instead of text\n"
    "      --no-wait      stop: do not wait for the end\n"
    "      --dry-run      sockets apply: only print what would be done\n"
    "      --timeout TIME give up after TIME: 500ms, 30s, 2min, 0 for never\n"
    "  -V, --version      print the version\n"
    "  -h, --help         print this\n"
    "\n"
    "exit status: 0 done, 1 refused or failed, 3 the client is refused (explain), 64 usage,\n"
    "             69 no connection or no answer, 77 permission denied,\n"
    "             78 the configuration is wrong\n";

static const char *const command_names[COMMANDS] = {
    [COMMAND_STATUS] = "status",   [COMMAND_EXPLAIN] = "explain", [COMMAND_RELOAD] = "reload",
    [COMMAND_STOP] = "stop",       [COMMAND_CHECK] = "check",     [COMMAND_CONFIG] = "config",
    [COMMAND_SOCKETS] = "sockets", [COMMAND_SOURCES] = "sources", [COMMAND_PARDON] = "pardon",
};

// A reload is slow when it has to wait for another one, or for a name service.
static const uint64_t default_timeouts[COMMANDS] = {
    [COMMAND_STATUS] = 25 * USEC_PER_SEC,  [COMMAND_EXPLAIN] = 25 * USEC_PER_SEC,
    [COMMAND_RELOAD] = 300 * USEC_PER_SEC, [COMMAND_STOP] = USEC_NEVER,
    [COMMAND_CHECK] = 300 * USEC_PER_SEC,  [COMMAND_CONFIG] = USEC_NEVER,
    [COMMAND_SOCKETS] = USEC_NEVER,        [COMMAND_SOURCES] = 25 * USEC_PER_SEC,
    [COMMAND_PARDON] = 25 * USEC_PER_SEC,
};

__attribute__((noreturn)) static void inform(const char *text)
{
    (void)fputs(text, stdout);
    exit(fflush(stdout) == 0 && !ferror(stdout) ? EX_OK : EXIT_FAILURE);
}

__attribute__((noreturn)) static void refuse(const char *what, const char *text)
{
    (void)fprintf(stderr, "tcpdctl: %s%s; see tcpdctl --help\n", what, text);
    exit(EX_USAGE);
}

static uint64_t parse_timeout(const char *text)
{
    uint64_t usec = 0;

    if (timespan_parse(text, &usec) < 0)
        refuse("--timeout takes a time such as 30s, not ", text);
    return usec > 0 ? usec : USEC_NEVER;
}

static bool is_of_clients(enum command command)
{
    return command == COMMAND_EXPLAIN || command == COMMAND_SOURCES || command == COMMAND_PARDON;
}

static void check_words(enum command command, int n)
{
    if (command == COMMAND_EXPLAIN && (n < 2 || n > 3))
        refuse("write: tcpdctl explain ADDRESS [SERVICE]", "");
    if (command == COMMAND_PARDON && (n < 2 || n > 3))
        refuse("write: tcpdctl pardon ADDRESS [SERVICE], or pardon all", "");
    if (command == COMMAND_SOURCES && n > 2)
        refuse("write: tcpdctl sources [SERVICE]", "");
}

static enum command parse_command(int argc, char **argv)
{
    const char *word = argc > 0 ? argv[0] : "";

    enum command command = 0;

    if (argc == 0)
        refuse("name a command: status, explain, sources, pardon, reload, stop, check, config or "
               "sockets apply",
               "");
    while (command < COMMANDS && strcmp(word, command_names[command]) != 0)
        command++;
    if (command == COMMANDS)
        refuse("there is no command ", word);
    if (command == COMMAND_SOCKETS && (argc != 2 || strcmp(argv[1], "apply") != 0))
        refuse("write: tcpdctl sockets apply", "");
    if (is_of_clients(command)) {
        check_words(command, argc);
        return command;
    }
    if (argc > 1 && command != COMMAND_CHECK && command != COMMAND_CONFIG &&
        command != COMMAND_SOCKETS)
        refuse(word, " takes no argument");
    if (argc > 2)
        refuse(word, " takes one FILE or INSTANCE");
    return command;
}

__attribute__((format(printf, 1, 2))) static const char *make_text(const char *format, ...)
{
    char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        base_out_of_memory();
    va_end(arguments);
    return text;
}

// The daemon of tcpd@NAME.service; NULL: that of tcpd.service.
static void choose_instance(struct options *options, const char *name)
{
    if (name && (*name == '\0' || *name == '.' || strchr(name, '/') || strlen(name) > INSTANCE_MAX))
        refuse("an instance's name is that of tcpd@NAME.service, without '/', and not ",
               *name ? name : "empty");
    if (!options->socket) {
        options->socket = name ? make_text(TCPD_RUN_DIR "/%s.control", name) : SOCKET;
        options->unit = name ? make_text("tcpd@%s.service", name) : "tcpd.service";
    }
    options->instance = name;
    if (!options->file)
        options->file = name ? make_text(TCPD_CONFIG_DIR "/%s.conf", name) : TCPD_CONFIG;
}

// NAME in /etc/tcpd/NAME.conf, which the instance of that name reads; NULL: it is another file.
static const char *find_instance(const char *file)
{
    size_t folder = strlen(TCPD_CONFIG_DIR "/"), length = strlen(file), end = strlen(".conf");

    if (strncmp(file, TCPD_CONFIG_DIR "/", folder) != 0 || strchr(file + folder, '/') ||
        length <= folder + end || strcmp(file + length - end, ".conf") != 0)
        return NULL;
    return make_text("%.*s", (int)(length - folder - end), file + folder);
}

static bool is_file(const char *word)
{
    size_t length = strlen(word);

    return strchr(word, '/') || strcmp(word, "-") == 0 ||
           (length > 5 && strcmp(word + length - 5, ".conf") == 0);
}

// What is to be checked or printed: whose configuration, or which file.
static void choose_file(struct options *options, const char *word, const char *instance)
{
    cleanup_free char *path = NULL;
    bool is_default;

    if (!word || !is_file(word)) {
        choose_instance(options, word ? word : instance);
        return;
    }
    path = strcmp(word, "-") == 0 ? NULL : realpath(word, NULL);
    is_default = path && strcmp(path, TCPD_CONFIG) == 0;
    instance = path && !is_default ? find_instance(path) : NULL;
    options->file = word;
    options->is_elsewhere = !is_default && !instance;
    choose_instance(options, instance);
}

static void check_combination(const struct options *options, bool timed)
{
    if (options->json && options->command != COMMAND_STATUS &&
        options->command != COMMAND_EXPLAIN && options->command != COMMAND_SOURCES)
        refuse("--json is for status, explain and sources only", "");
    if (options->no_wait && options->command != COMMAND_STOP)
        refuse("--no-wait is for stop only", "");
    if (options->dry_run && options->command != COMMAND_SOCKETS)
        refuse("--dry-run is for sockets apply only", "");
    if (timed && options->command == COMMAND_SOCKETS)
        refuse("--timeout is not for sockets apply, which waits for systemd", "");
}

// What stands behind the command. Returns a FILE or INSTANCE, NULL: none.
static const char *take_words(struct options *options, char **words)
{
    if (options->command == COMMAND_SOCKETS)
        return NULL;
    if (!is_of_clients(options->command))
        return words[1];
    if (options->command != COMMAND_SOURCES)
        options->address = *++words;
    options->service = words[1] ? words[1] : "";
    return NULL;
}

struct options options_parse(int argc, char **argv)
{
    static const struct option names[] = {
        {"socket", required_argument, NULL, 's'},
        {"instance", required_argument, NULL, 'i'},
        {"json", no_argument, NULL, 'j'},
        {"no-wait", no_argument, NULL, 'n'},
        {"dry-run", no_argument, NULL, 'd'},
        {"timeout", required_argument, NULL, 't'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {0},
    };
    struct options options = {0};
    const char *instance = NULL, *word;
    bool timed = false;
    int option;

    argv[0] = program_invocation_short_name; // getopt's messages begin with it
    while ((option = getopt_long(argc, argv, "s:i:Vh", names, NULL)) >= 0)
        switch (option) {
        case 's':
            options.socket = optarg;
            break;
        case 'i':
            instance = optarg;
            break;
        case 'j':
            options.json = true;
            break;
        case 'n':
            options.no_wait = true;
            break;
        case 'd':
            options.dry_run = true;
            break;
        case 't':
            options.timeout_usec = parse_timeout(optarg);
            timed = true;
            break;
        case 'h':
            inform(help);
        case 'V':
            inform("tcpdctl " TCPD_VERSION "\n");
        default:
            (void)fputs("See tcpdctl --help.\n", stderr); // getopt has said what is wrong
            exit(EX_USAGE);
        }
    options.command = parse_command(argc - optind, argv + optind);
    word = take_words(&options, argv + optind);
    if (options.socket && (instance || word))
        refuse("--socket names a daemon already; give no ", instance ? "--instance" : "argument");
    if (instance && word)
        refuse("--instance names a daemon already; give no argument", "");
    choose_file(&options, word, instance);
    check_combination(&options, timed);
    if (!timed)
        options.timeout_usec = default_timeouts[options.command];
    return options;
}
