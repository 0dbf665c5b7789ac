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
#include "ctl/help.h"

#define SOCKET       TCPD_RUN_DIR "/control"
#define INSTANCE_MAX 200 // bytes of a name: it is part of the name of a unit

// How a command is written, how long its answer may take, and which options are its own. A reload
// is slow when it has to wait for another one, or for a name service.
static const struct {
    const char *name;
    uint64_t timeout_usec;
    bool takes_services, takes_file;
} commands[COMMANDS] = {
    [COMMAND_STATUS] = {"status", 25 * USEC_PER_SEC, false, false},
    [COMMAND_EXPLAIN] = {"explain", 25 * USEC_PER_SEC, false, false},
    [COMMAND_METRICS] = {"metrics", 25 * USEC_PER_SEC, false, false},
    [COMMAND_RELOAD] = {"reload", 300 * USEC_PER_SEC, false, false},
    [COMMAND_STOP] = {"stop", USEC_NEVER, false, false},
    [COMMAND_CHECK] = {"check", 300 * USEC_PER_SEC, false, true},
    [COMMAND_CONFIG] = {"config", USEC_NEVER, false, true},
    [COMMAND_SOCKETS] = {"sockets", USEC_NEVER, false, false},
    [COMMAND_DRAIN] = {"drain", USEC_NEVER, true, false},
    [COMMAND_READY] = {"ready", 25 * USEC_PER_SEC, true, false},
    [COMMAND_MAINT] = {"maint", 25 * USEC_PER_SEC, true, false},
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

static enum command parse_command(int argc, char **argv)
{
    const char *word = argc > 0 ? argv[0] : "";
    enum command command = 0;

    if (argc == 0)
        refuse("name a command: status, explain, metrics, reload, stop, check, config, sockets "
               "apply, drain, ready or maint",
               "");
    while (command < COMMANDS && strcmp(word, commands[command].name) != 0)
        command++;
    if (command == COMMANDS)
        refuse("there is no command ", word);
    if (command == COMMAND_SOCKETS && (argc != 2 || strcmp(argv[1], "apply") != 0))
        refuse("write: tcpdctl sockets apply", "");
    if (command == COMMAND_EXPLAIN && (argc < 2 || argc > 3))
        refuse("write: tcpdctl explain ADDRESS [SERVICE]", "");
    if (command == COMMAND_SOCKETS || command == COMMAND_EXPLAIN ||
        commands[command].takes_services)
        return command;
    if (argc > 1 && !commands[command].takes_file)
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

// An option of one command, or of two, is given with another one.
static void refuse_unless(bool is_given, const struct options *options, const char *option,
                          enum command one, enum command two)
{
    char text[80];

    if (!is_given || options->command == one || options->command == two)
        return;
    (void)snprintf(text, sizeof(text), "%s is for %s%s%s%s only", option, commands[one].name,
                   one == COMMAND_SOCKETS ? " apply" : "", one == two ? "" : " and ",
                   one == two ? "" : commands[two].name);
    refuse(text, "");
}

static void check_combination(const struct options *options, bool timed)
{
    refuse_unless(options->json, options, "--json", COMMAND_STATUS, COMMAND_EXPLAIN);
    refuse_unless(options->open_metrics, options, "--openmetrics", COMMAND_METRICS,
                  COMMAND_METRICS);
    refuse_unless(options->output, options, "--output", COMMAND_METRICS, COMMAND_METRICS);
    refuse_unless(options->wait, options, "--wait", COMMAND_DRAIN, COMMAND_DRAIN);
    refuse_unless(options->reason, options, "--reason", COMMAND_MAINT, COMMAND_MAINT);
    refuse_unless(options->no_wait, options, "--no-wait", COMMAND_STOP, COMMAND_STOP);
    refuse_unless(options->dry_run, options, "--dry-run", COMMAND_SOCKETS, COMMAND_SOCKETS);
    if (options->output && *options->output == '\0')
        refuse("--output takes the path of a file", "");
    if (!options->reason && options->command == COMMAND_MAINT)
        refuse("maint needs --reason TEXT, which whoever wonders will read", "");
    if (timed && options->command == COMMAND_SOCKETS)
        refuse("--timeout is not for sockets apply, which waits for systemd", "");
}

static const struct option names[] = {
    {"socket", required_argument, NULL, 's'},
    {"instance", required_argument, NULL, 'i'},
    {"json", no_argument, NULL, 'j'},
    {"openmetrics", no_argument, NULL, 'o'},
    {"output", required_argument, NULL, 'f'},
    {"no-wait", no_argument, NULL, 'n'},
    {"wait", no_argument, NULL, 'w'},
    {"reason", required_argument, NULL, 'r'},
    {"dry-run", no_argument, NULL, 'd'},
    {"timeout", required_argument, NULL, 't'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {0},
};

// What follows the command: services, a client's address, a file, an instance, or nothing.
static void take_words(struct options *options, char **words, const char *instance)
{
    const char *word = commands[options->command].takes_file ? words[0] : NULL;

    if (commands[options->command].takes_services)
        options->services = words;
    if (options->command == COMMAND_EXPLAIN) {
        options->address = words[0];
        options->service = words[1] ? words[1] : "";
    }
    if (options->socket && (instance || word))
        refuse("--socket names a daemon already; give no ", instance ? "--instance" : "argument");
    if (instance && word)
        refuse("--instance names a daemon already; give no argument", "");
    choose_file(options, word, instance);
}

struct options options_parse(int argc, char **argv)
{
    struct options options = {0};
    const char *instance = NULL;
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
        case 'o':
            options.open_metrics = true;
            break;
        case 'f':
            options.output = optarg;
            break;
        case 'n':
            options.no_wait = true;
            break;
        case 'w':
            options.wait = true;
            break;
        case 'r':
            options.reason = optarg;
            break;
        case 'd':
            options.dry_run = true;
            break;
        case 't':
            options.timeout_usec = parse_timeout(optarg);
            timed = true;
            break;
        case 'h':
            inform(help_text);
        case 'V':
            inform("tcpdctl " TCPD_VERSION "\n");
        default:
            (void)fputs("See tcpdctl --help.\n", stderr); // getopt has said what is wrong
            exit(EX_USAGE);
        }
    options.command = parse_command(argc - optind, argv + optind);
    take_words(&options, argv + optind + 1, instance);
    check_combination(&options, timed);
    if (!timed)
        options.timeout_usec = commands[options.command].timeout_usec;
    return options;
}
