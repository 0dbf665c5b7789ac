// SPDX-License-Identifier: MIT
// The command line of tcpdctl. What a command does not know is an error: it would do nothing.

#include "ctl/options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/base.h"
#include "base/timespan.h"
#include "ctl/help.h"
#include "ctl/instance.h"
#include "ctl/output.h"

// What may follow a command.
enum words {
    NOTHING,
    FILE_OR_INSTANCE,
    SERVICES,
    ADDRESS_OR_NOTHING,
    ADDRESS_OR_ALL,
    ONE_SERVICE,
    APPLY,
    IDS,
    LIMITS
};

// How a command is written, how long its answer may take, what follows, and whether it knows
// --json. A reload is slow when it has to wait for another one, or for a name service.
static const struct {
    const char *name;
    uint64_t timeout_usec;
    enum words words;
    bool has_json;
} commands[COMMANDS] = {
    [COMMAND_STATUS] = {"status", 25 * USEC_PER_SEC, NOTHING, true},
    [COMMAND_EXPLAIN] = {"explain", 25 * USEC_PER_SEC, ADDRESS_OR_NOTHING, true},
    [COMMAND_SOURCES] = {"sources", 25 * USEC_PER_SEC, ONE_SERVICE, true},
    [COMMAND_PARDON] = {"pardon", 25 * USEC_PER_SEC, ADDRESS_OR_ALL, false},
    [COMMAND_METRICS] = {"metrics", 25 * USEC_PER_SEC, NOTHING, false},
    [COMMAND_SESSIONS] = {"sessions", 25 * USEC_PER_SEC, ONE_SERVICE, true},
    [COMMAND_KICK] = {"kick", 25 * USEC_PER_SEC, IDS, true},
    [COMMAND_TOP] = {"top", 25 * USEC_PER_SEC, ONE_SERVICE, false},
    [COMMAND_LOG] = {"log", USEC_NEVER, ONE_SERVICE, true},
    [COMMAND_RELOAD] = {"reload", 300 * USEC_PER_SEC, NOTHING, false},
    [COMMAND_STOP] = {"stop", USEC_NEVER, NOTHING, false},
    [COMMAND_CHECK] = {"check", 300 * USEC_PER_SEC, FILE_OR_INSTANCE, false},
    [COMMAND_CONFIG] = {"config", USEC_NEVER, FILE_OR_INSTANCE, false},
    [COMMAND_SOCKETS] = {"sockets", USEC_NEVER, APPLY, false},
    [COMMAND_DRAIN] = {"drain", USEC_NEVER, SERVICES, true},
    [COMMAND_READY] = {"ready", 25 * USEC_PER_SEC, SERVICES, false},
    [COMMAND_MAINT] = {"maint", 25 * USEC_PER_SEC, SERVICES, false},
    [COMMAND_PAUSE] = {"pause", USEC_NEVER, ONE_SERVICE, true},
    [COMMAND_RESUME] = {"resume", 25 * USEC_PER_SEC, ONE_SERVICE, true},
    [COMMAND_RESIZE] = {"resize", 25 * USEC_PER_SEC, LIMITS, true},
    [COMMAND_EVENTS] = {"events", USEC_NEVER, NOTHING, true},
};

__attribute__((noreturn)) static void inform(const char *text)
{
    (void)fputs(text, stdout);
    exit(output_end(EX_OK));
}

__attribute__((noreturn)) static void refuse(const char *what, const char *text)
{
    (void)fprintf(stderr, "tcpdctl: %s%s; see tcpdctl --help\n", what, text);
    exit(EX_USAGE);
}

__attribute__((noreturn)) static void refuse_instance(const char *name)
{
    refuse("an instance's name is that of tcpd@NAME.service, without '/', and not ",
           name && *name ? name : "empty");
}

static uint64_t parse_timeout(const char *text)
{
    uint64_t usec = 0;

    if (timespan_parse(text, &usec) < 0)
        refuse("--timeout takes a time such as 30s, not ", text);
    return usec > 0 ? usec : USEC_NEVER;
}

// n: how many words follow.
static void check_words(enum command command, int n, const char *first)
{
    static const struct {
        int min, max;
        const char *before, *behind; // of the command's name; NULL: it takes no argument
    } rules[] = {
        [NOTHING] = {0, 0, "", " takes no argument"},
        [FILE_OR_INSTANCE] = {0, 1, "", " takes one FILE or INSTANCE"},
        [SERVICES] = {0, INT_MAX, "", ""},
        [ADDRESS_OR_NOTHING] = {0, 2, "write: tcpdctl ", " [ADDRESS [SERVICE]]"},
        [ADDRESS_OR_ALL] = {1, 2, "write: tcpdctl ", " ADDRESS | all [SERVICE]"},
        [ONE_SERVICE] = {0, 1, "write: tcpdctl ", " [SERVICE]"},
        [APPLY] = {1, 1, "write: tcpdctl ", " apply"},
        [IDS] = {0, INT_MAX, "", ""},
        [LIMITS] = {2, INT_MAX, "write: tcpdctl ", " SERVICE min=N spare=N max=N | reset"},
    };
    enum words words = commands[command].words;
    char text[80];

    if (n >= rules[words].min && n <= rules[words].max &&
        (words != APPLY || strcmp(first, "apply") == 0))
        return;
    (void)snprintf(text, sizeof(text), "%s%s%s", rules[words].before, commands[command].name,
                   rules[words].behind);
    refuse(text, "");
}

static enum command parse_command(int argc, char **argv)
{
    enum command command = 0;

    if (argc == 0)
        refuse("name a command: status, top, explain, sources, pardon, metrics, sessions, kick, "
               "log, reload, stop, check, config, sockets apply, pause, resume, resize, drain, "
               "ready, maint or events",
               "");
    while (command < COMMANDS && strcmp(argv[0], commands[command].name) != 0)
        command++;
    if (command == COMMANDS)
        refuse("there is no command ", argv[0]);
    check_words(command, argc - 1, argv[1]);
    return command;
}

// An option that some commands do not know, which would do nothing with it.
static void refuse_unless(bool is_given, const char *option, bool is_known, const char *whose)
{
    if (is_given && !is_known)
        refuse(option, whose);
}

static void check_combination(const struct options *options, bool timed)
{
    enum command command = options->command;
    bool has_peer = command == COMMAND_SESSIONS || command == COMMAND_KICK ||
                    command == COMMAND_LOG;
    bool waits = command == COMMAND_DRAIN || command == COMMAND_PAUSE;
    const char *word,
        *wrong = session_options_check(&options->sessions, command == COMMAND_SESSIONS,
                                       command == COMMAND_KICK, &word);

    refuse_unless(options->peer, "--peer", has_peer, " is for sessions, kick and log only");
    if (wrong)
        refuse(wrong, word);
    refuse_unless(options->json, "--json",
                  commands[command].has_json &&
                      (command != COMMAND_DRAIN || options->steer.worker > 0),
                  " is for status, explain, sources, sessions, kick, log, pause, resume, resize, "
                  "events and drain --worker only");
    refuse_unless(options->log.is_given, "--since, --result, --longer, --follow and --directory",
                  command == COMMAND_LOG, " are for log only");
    refuse_unless(options->open_metrics, "--openmetrics", command == COMMAND_METRICS,
                  " is for metrics only");
    refuse_unless(options->output, "--output", command == COMMAND_METRICS, " is for metrics only");
    refuse_unless(*options->through != '\0', "--through",
                  command == COMMAND_EXPLAIN && options->address, " is for explain ADDRESS only");
    refuse_unless(options->top.is_given, "--delay, --count and --batch", command == COMMAND_TOP,
                  " are for top only");
    refuse_unless(options->wait, "--wait", waits, " is for drain and pause only");
    wrong = steer_options_check(&options->steer, command == COMMAND_EVENTS,
                                command == COMMAND_DRAIN, options->services);
    if (wrong)
        refuse(wrong, "");
    refuse_unless(options->reason, "--reason", command == COMMAND_MAINT, " is for maint only");
    refuse_unless(options->no_wait, "--no-wait",
                  command == COMMAND_STOP || command == COMMAND_EVENTS,
                  " is for stop and events only");
    refuse_unless(options->dry_run, "--dry-run", command == COMMAND_SOCKETS,
                  " is for sockets apply only");
    if (options->socket && *options->socket == '\0')
        refuse("--socket takes the path of a socket, not an empty one", "");
    if (options->output && *options->output == '\0')
        refuse("--output takes the path of a file", "");
    if (!options->reason && command == COMMAND_MAINT)
        refuse("maint needs --reason TEXT, which whoever wonders will read", "");
    if (options->reason && !steer_options_is_reason(options->reason))
        refuse("--reason takes 1 to 80 printable ASCII characters, with no space at either end",
               "");
    if (timed && command == COMMAND_LOG)
        refuse("--timeout is not for log, which waits for nobody", "");
    if (timed && command == COMMAND_SOCKETS)
        refuse("--timeout is not for sockets apply, which waits for systemd", "");
}

static const struct option names[] = {
    {"socket", required_argument, NULL, 's'},
    {"instance", required_argument, NULL, 'i'},
    {"json", no_argument, NULL, 'j'},
    {"through", required_argument, NULL, 'T'},
    {"openmetrics", no_argument, NULL, 'o'},
    {"output", required_argument, NULL, 'f'},
    {"no-wait", no_argument, NULL, 'N'},
    {"wait", no_argument, NULL, 'w'},
    {"reason", required_argument, NULL, 'r'},
    {"dry-run", no_argument, NULL, 'D'},
    {"timeout", required_argument, NULL, 't'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    TOP_OPTION_NAMES,
    SESSION_OPTION_NAMES,
    LOG_OPTION_NAMES,
    STEER_OPTION_NAMES,
    {0},
};

// What follows the command, as check_words() has found it.
static void take_words(struct options *options, char **words, const char *instance)
{
    enum words kind = commands[options->command].words;
    const char *word = kind == FILE_OR_INSTANCE ? words[0] : NULL, *wrong = NULL, *wrong_word = "";
    bool has_address = kind == ADDRESS_OR_ALL || (kind == ADDRESS_OR_NOTHING && *words);

    if (kind == SERVICES)
        options->services = words;
    if (kind == IDS)
        options->sessions.ids = words;
    if (kind == LIMITS)
        wrong = steer_options_take_limits(&options->steer, words + 1, &wrong_word);
    if (wrong)
        refuse(wrong, wrong_word);
    if (has_address)
        options->address = *words++;
    if (kind == ONE_SERVICE && *words && **words == '\0')
        refuse(commands[options->command].name,
               " takes the name of a service, and not an empty one");
    if (has_address || kind == ONE_SERVICE || kind == LIMITS)
        options->service = *words ? *words : "";
    if (options->socket && (instance || word))
        refuse("--socket names a daemon already; give no ", instance ? "--instance" : "argument");
    if (instance && word)
        refuse("--instance names a daemon already; give no argument", "");
    if (!instance_choose(options, word, instance))
        refuse_instance(word ? word : instance);
}

// An option that only says so, or that takes any text. False: it is none.
static bool take_plain_option(struct options *options, int option, const char *value)
{
    const struct {
        int option;
        bool *flag;
        const char **text;
    } plain[] = {
        {'s', NULL, &options->socket},  {'f', NULL, &options->output},
        {'T', NULL, &options->through}, {'r', NULL, &options->reason},
        {'j', &options->json, NULL},    {'o', &options->open_metrics, NULL},
        {'N', &options->no_wait, NULL}, {'w', &options->wait, NULL},
        {'D', &options->dry_run, NULL},
    };

    for (size_t i = 0; i < ELEMENTS(plain); i++) {
        if (plain[i].option != option)
            continue;
        if (plain[i].flag)
            *plain[i].flag = true;
        else
            *plain[i].text = value;
        return true;
    }
    return false;
}

// An option that some commands alone have. False: it is none.
static bool take_own_option(struct options *options, int option, const char *value)
{
    const char *wrong = NULL;

    if (option == SESSION_PEER)
        options->peer = value; // what it may be is the command's to say
    else if (option > SESSION_PEER && option < SESSION_OPTIONS)
        wrong = session_options_take(&options->sessions, (enum session_option)option, value);
    else if (option >= STEER_WORKER && option < STEER_OPTIONS)
        wrong = steer_options_take(&options->steer, (enum steer_option)option, value);
    else if (!log_options_take(&options->log, option, value, &wrong) &&
             !top_options_take(&options->top, option, value, &wrong))
        return false;
    if (wrong)
        refuse(wrong, value);
    return true;
}

static void take_peer(struct options *options)
{
    char why[PREFIX_WRONG_MAX], text[PREFIX_WRONG_MAX + 64];
    struct prefix prefixes[PREFIX_WORD_MAX];
    bool is_good = options->command == COMMAND_LOG
                       ? log_filter_set_peer(&options->log.filter, options->peer, why)
                       : prefix_parse(options->peer, prefixes, why) >= 0;

    if (options->command != COMMAND_LOG)
        (void)session_options_take(&options->sessions, SESSION_PEER, options->peer);
    if (is_good)
        return;
    (void)snprintf(text, sizeof(text), "--peer \"%.50s\" %s", options->peer, why);
    refuse(text, "");
}

struct options options_parse(int argc, char **argv)
{
    struct options options = {.through = "", .top = top_options_default()};
    const char *instance = NULL;
    bool timed = false;
    int option;

    argv[0] = program_invocation_short_name; // getopt's messages begin with it
    while ((option = getopt_long(argc, argv, "s:i:Vh" TOP_OPTION_LETTERS, names, NULL)) >= 0)
        switch (option) {
        case 'i':
            instance = optarg;
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
            if (take_plain_option(&options, option, optarg) ||
                take_own_option(&options, option, optarg))
                break;
            (void)fputs("See tcpdctl --help.\n", stderr); // getopt has said what is wrong
            exit(EX_USAGE);
        }
    options.command = parse_command(argc - optind, argv + optind);
    take_words(&options, argv + optind + 1, instance);
    if (options.peer)
        take_peer(&options);
    check_combination(&options, timed);
    if (!timed)
        options.timeout_usec = commands[options.command].timeout_usec;
    return options;
}
