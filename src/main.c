// SPDX-License-Identifier: MIT
// tcpd: options, configuration, listeners, then the master. Whatever fails here is fatal and names
// the setting at fault; nothing is started before all of it is right.

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base.h"
#include "config.h"
#include "handler.h"
#include "listener.h"
#include "listener_inherit.h"
#include "log.h"
#include "master.h"
#include "module_try.h"
#include "notify.h"
#include "system_limits.h"
#include "title.h"

struct options {
    const char *config_path;
    bool check, verbose, levels;
};

static const char help[] =
    "usage: tcpd [-c FILE] [-t] [-v] [-l]\n"
    "A preforking TCP server: serves what FILE says, in the foreground.\n"
    "\n"
    "  -c, --config FILE  read FILE and FILE.d/*.conf instead of " TCPD_CONFIG "\n"
    "  -t, --check        check the configuration, say what would be served where, exit\n"
    "  -v, --verbose      log more\n"
    "  -l, --levels       begin each log line with its level, as systemd reads it: <6>\n"
    "      --version      print the version\n"
    "      --help         print this\n"
    "\n"
    "signals: TERM drains and stops, a second TERM, INT or QUIT stops at once; HUP reloads;\n"
    "         USR1 logs the status; TTIN, TTOU: one worker more, one fewer, per pool\n"
    "exit status: 0 stopped, 64 usage, 68 address not available, 69 address in use,\n"
    "             71 system error, 74 output lost, 77 permission denied, 78 configuration\n";

// The exit status after output that was asked for.
static int said(void)
{
    return fflush(stdout) == 0 && !ferror(stdout) ? EX_OK : EX_IOERR;
}

// Exits for --help, --version and wrong usage.
static struct options options_parse(int argc, char **argv)
{
    static const struct option names[] = {
        {"config", required_argument, NULL, 'c'},
        {"check", no_argument, NULL, 't'},
        {"verbose", no_argument, NULL, 'v'},
        {"levels", no_argument, NULL, 'l'},
        {"version", no_argument, NULL, 'V'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    struct options options = {.config_path = TCPD_CONFIG};
    int option;

    while ((option = getopt_long(argc, argv, "c:tvlh", names, NULL)) >= 0)
        switch (option) {
        case 'c':
            options.config_path = optarg;
            break;
        case 't':
            options.check = true;
            break;
        case 'v':
            options.verbose = true;
            break;
        case 'l':
            options.levels = true;
            break;
        case 'V':
            (void)printf("tcpd %s\n", TCPD_VERSION);
            exit(said());
        case 'h':
            (void)fputs(help, stdout);
            exit(said());
        default:
            exit(EX_USAGE); // getopt has said what is wrong
        }
    if (optind < argc) {
        (void)fprintf(stderr, "tcpd: what is \"%s\"? See tcpd --help\n", argv[optind]);
        exit(EX_USAGE);
    }
    return options;
}

// A closed standard descriptor would be the number of a listener or a client, and get our messages.
static int open_standard_fds(void)
{
    int fd;

    do {
        fd = open("/dev/null", O_RDWR); // without O_CLOEXEC, as 0, 1 and 2 are
        if (fd < 0)
            return -errno;
    } while (fd <= STDERR_FILENO);
    (void)close(fd);
    return 0;
}

// Nothing that whoever started us ignores or blocks is left to the workers. A reader of our
// messages that goes away must not take the master with it.
static void reset_signals(void)
{
    sigset_t none;

    for (int number = 1; number < NSIG; number++)
        (void)signal(number, SIG_DFL); // fails for KILL, STOP and libc's own only
    (void)signal(SIGPIPE, SIG_IGN);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

// Says all that is wrong; returns the exit status.
static int fail(struct problems *problems, struct config *config, int status)
{
    for (size_t i = 0; i < problems->n; i++)
        log_error("%s", problems->texts[i]);
    if (problems->n > 0)
        notify_failure(status == EX_CONFIG ? EINVAL : EIO, problems->texts[0]);
    problems_done(problems);
    (void)config_unref(config);
    return status;
}

static int exit_status_of(int error)
{
    switch (-error) {
    case EACCES:
    case EPERM:
        return EX_NOPERM;
    case EADDRINUSE:
    case EEXIST:
        return EX_UNAVAILABLE;
    case EADDRNOTAVAIL:
    case EHOSTUNREACH:
        return EX_NOHOST;
    case EDESTADDRREQ:
        return EX_CONFIG;
    default:
        return EX_OSERR;
    }
}

static void describe(const struct config *config)
{
    for (size_t i = 0; i < config->n_services; i++) {
        const struct service *service = &config->services[i];
        const struct handler_options *options = &service->options;
        const char *runs = options->program.argv.n > 0 ? options->program.argv.items[0]
                                                       : options->module;

        (void)printf("service \"%s\": handler %s%s%s, %u to %u workers, %u spare, on",
                     service->name, service->handler->name, runs ? " " : "", runs ? runs : "",
                     service->min_workers, service->max_workers, service->spare_workers);
        for (size_t j = 0; j < service->n_listen; j++)
            (void)printf("%s %s", j > 0 ? "," : "", service->listen[j].text);
        (void)printf("%s\n", service->n_listen == 0 ? " the sockets handed over" : "");
    }
}

// Warns of limits of the system that are too low for max_workers; false: even for min_workers.
// With -t, which need not run where tcpd will, that is a warning as well.
static bool check_limits(const struct config *config, const struct options *options,
                         struct problems *problems)
{
    struct problems warnings = {0};

    system_limits_check(config, options->config_path, 0, options->check ? &warnings : problems,
                        &warnings);
    for (size_t i = 0; i < warnings.n; i++)
        log_warning("%s", warnings.texts[i]);
    problems_done(&warnings);
    return problems->n == 0;
}

static void log_listeners(const struct listener_set *set)
{
    for (size_t i = 0; i < set->n; i++) {
        const struct listener *listener = set->items[i].listener;
        const char *from = listener->origin == LISTENER_ACTIVATED ? ", handed over"
                           : listener->taken_back                 ? ", taken back"
                                                                  : "";

        log_info("%s %s: listening, backlog %u%s%s", set->items[i].service->name, listener->address,
                 listener->effective_backlog,
                 listener->effective_backlog < listener->backlog ? " (net.core.somaxconn)" : "",
                 from);
    }
}

int main(int argc, char **argv)
{
    struct problems problems = {0};
    struct listener_set none = {0}, set;
    struct config *config;
    struct options options;
    int r = open_standard_fds();

    if (r < 0)
        return EX_OSERR;
    reset_signals();
    title_init(argv);
    options = options_parse(argc, argv);
    if (!options.check)
        log_open(options.verbose, options.levels);
    inherited_open();

    config = config_load(options.config_path, &problems);
    if (!config)
        return fail(&problems, NULL, EX_CONFIG);
    if (!check_limits(config, &options, &problems))
        return fail(&problems, config, EX_OSERR);
    if (options.check) {
        module_try_all(config, &problems);
        if (problems.n > 0)
            return fail(&problems, config, EX_CONFIG);
        describe(config);
        (void)config_unref(config);
        return said();
    }
    r = listeners_open(config, NULL, &none, &set, &problems);
    if (r < 0)
        return fail(&problems, config, exit_status_of(r));
    inherited_close();
    for (size_t i = 0; i < set.n; i++)
        listener_store(set.items[i].listener);
    log_listeners(&set);
    return master_run(options.config_path, config, &set);
}
