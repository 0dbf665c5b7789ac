// SPDX-License-Identifier: MIT
// tcpd: options, configuration, listeners, then the master. Whatever fails here is fatal and names
// the setting at fault; nothing is started before all of it is right.

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/answers.h"
#include "base/base.h"
#include "config/config.h"
#include "config/config_check.h"
#include "config/config_left_out.h"
#include "control/control.h"
#include "control/control_socket.h"
#include "handlers/handlers.h"
#include "listen/listener.h"
#include "listen/listener_inherit.h"
#include "log/log.h"
#include "log/mistakes.h"
#include "log/notify.h"
#include "master/master.h"
#include "master/rehearsal.h"
#include "master/retry.h"
#include "process/beginnings.h"
#include "process/control_place.h"
#include "process/hiding.h"
#include "process/oom_score.h"
#include "process/title.h"
#include "run/daemon_options.h"
#include "run/run.h"
#include "sandbox/sandbox.h"

#define EX_REFUSED 3 // the address that was asked for would not be served everywhere

static const int stop_signals[] = {SIGTERM, SIGINT, SIGQUIT};

struct options {
    const struct config_source *source;
    struct config_input input; // the one of these two
    struct run run;            // that is it
    struct control_socket control;
    struct daemon_options given;
    uint64_t mark; // of the configuration, before it is read
};

// The exit status after output that was asked for.
static int said(void)
{
    return fflush(stdout) == 0 && !ferror(stdout) ? EX_OK : EX_IOERR;
}

static bool is_run(const struct options *options)
{
    return options->source == &options->run.source;
}

// Whether tcpd.conf is to be served: then one service that cannot be is no reason not to serve
// others.
static bool is_daemon(const struct options *options)
{
    return !options->given.check && !is_run(options);
}

static void options_parse_run(char **arguments, struct options *options)
{
    int status = run_parse(arguments, &options->run);

    if (status >= 0)
        exit(status == EX_OK ? said() : status);
    options->source = &options->run.source;
    options->given.verbose = options->run.verbose;
}

// Those that stop or reload wait from the first moment on: until the check of the configuration is
// under way, then for the master. -t, which serves nobody, lets them end it.
static void hold_signals(bool hold)
{
    sigset_t set;

    (void)sigemptyset(&set);
    for (size_t i = 0; hold && i < ELEMENTS(stop_signals); i++)
        (void)sigaddset(&set, stop_signals[i]);
    if (hold)
        (void)sigaddset(&set, SIGHUP);
    (void)sigprocmask(SIG_SETMASK, &set, NULL);
}

// Standard input may be a terminal, where Ctrl-C has to end the wait for its end.
static void open_input(struct options *options, const char *path)
{
    const char *wrong;

    hold_signals(strcmp(path, "-") != 0);
    wrong = config_input_open(&options->input, path, handlers);
    if (wrong) {
        (void)fprintf(stderr, "tcpd: standard input cannot be read: %s\n", wrong);
        exit(EX_CONFIG);
    }
    options->source = &options->input.source;
}

static void options_parse(int argc, char **argv, struct options *options)
{
    if (run_arguments(argv)) {
        options_parse_run(run_arguments(argv), options);
        return;
    }
    daemon_options_parse(argc, argv, &options->given);
    if (options->given.control)
        options->control.given = control_spell(options->given.control);
    open_input(options, options->given.path);
}

// A command line that is wrong is told under the name that it begins with.
static void say(const struct options *options, const char *text)
{
    if (is_run(options))
        (void)fprintf(stderr, "tcpd %s\n", text);
    else
        log_error("%s", text);
}

// Says all that is wrong; returns the exit status.
static int fail(struct options *options, struct problems *problems, struct config *config,
                int status)
{
    unsigned n = problems->n > 0 && is_daemon(options) ? mistakes_repeated(problems) : 0;

    if (n > 0)
        log_error("the start fails for the same %zu problem%s as before, logged then: %s",
                  problems->n, PLURAL(problems->n), problems->texts[0]);
    else
        for (size_t i = 0; i < problems->n; i++)
            say(options, problems->texts[i]);
    if (problems->n > 0)
        notify_failure(status == EX_CONFIG ? EINVAL : EIO, problems->texts[0]);
    if (n > 0 && retry_wait(options->source->name, options->mark, n)) {
        mistakes_forget();
        status = EX_OK;
    }
    problems_done(problems);
    (void)config_unref(config);
    run_done(&options->run);
    config_input_close(&options->input);
    control_socket_close(&options->control);
    return status;
}

static void log_warnings(struct problems *warnings)
{
    for (size_t i = 0; i < warnings->n; i++)
        log_warning("%s", warnings->texts[i]);
    problems_done(warnings);
}

// What is not served, while something is.
static void log_left_out(struct problems *left_out, const char *then)
{
    for (size_t i = 0; i < left_out->n; i++)
        log_error("%s; %s", left_out->texts[i], then);
    problems_done(left_out);
}

// Says which services are left out. NULL: there would be no other one.
static struct config *leave_out(struct config *config, struct problems *problems)
{
    struct problems left_out = {0};
    int r = config_check_left_out(config, NULL, problems, &left_out);

    log_left_out(&left_out, "the service is left out");
    return r < 0 ? config_unref(config) : config;
}

// Has it checked in a child, and reads what that has read. NULL: what is wrong are problems, and
// *ret_status is the exit status; without a problem somebody has asked tcpd to stop meanwhile.
static struct config *rehearse(const struct options *options, struct problems *problems,
                               int *ret_status)
{
    const struct rehearsal_plan plan = {.source = options->source,
                                        .is_elsewhere = options->given.check,
                                        .leaves_out = is_daemon(options)};
    struct problems warnings = {0};
    struct rehearsal rehearsal;
    struct config *config = NULL;
    sigset_t stops;
    int r = rehearsal_start(&rehearsal, &plan);

    *ret_status = EX_OSERR;
    (void)sigemptyset(&stops);
    for (size_t i = 0; !options->given.check && i < ELEMENTS(stop_signals); i++)
        (void)sigaddset(&stops, stop_signals[i]);
    if (r >= 0)
        r = rehearsal_wait(&rehearsal, &stops);
    if (r >= 0)
        config = rehearsal_take(&rehearsal, &plan, problems, &warnings, ret_status);
    else if (r == -ECANCELED)
        *ret_status = EX_OK;
    else
        problems_add(problems, plan.source->name, 0, "cannot be checked: %s", strerror(-r));
    rehearsal_close(&rehearsal);
    log_warnings(&warnings);
    if (!config)
        return NULL;
    *ret_status = EX_CONFIG;
    return leave_out(config, problems);
}

// Opens them all, or says with -t whether that would be possible. 0 or -errno with problems.
static int open_listeners(struct config *config, const struct options *options,
                          struct listener_set *ret, struct problems *problems)
{
    struct problems warnings = {0}, skipped = {0};
    struct listen_plan plan = {0};
    struct listeners_request request = {.config = config,
                                        .plan = &plan,
                                        .may_come = options->given.check,
                                        .problems = problems,
                                        .warnings = &warnings,
                                        .skipped = is_daemon(options) ? &skipped : NULL};
    int r = config_find_owners(config, problems);

    if (r == 0)
        r = listen_plan_make(config, &plan, problems);
    if (r == 0)
        r = options->given.check ? listeners_check(&request) : listeners_open(&request, ret);
    log_warnings(&warnings);
    log_left_out(&skipped, "the rest is served");
    listen_plan_done(&plan);
    return r;
}

// All that -t or -T has to say; returns the exit status.
static int tell(struct options *options, struct config *config)
{
    bool is_served = true;

    if (options->given.explained)
        is_served = config_explain(config, options->given.explained, options->given.through,
                                   stdout) > 0;
    else if (options->given.print)
        config_print(config, stdout);
    else
        config_describe(config, options->source->name, stdout);
    if (options->given.verbose && !options->given.print)
        sandbox_print(config, stdout);
    (void)config_unref(config);
    config_input_close(&options->input);
    return is_served || said() != EX_OK ? said() : EX_REFUSED;
}

// False: nobody can know where tcpd listens, which is no more then.
static bool announce(struct listener_set *set, struct problems *problems)
{
    run_announce(set);
    if (said() == EX_OK)
        return true;
    for (size_t i = 0; i < set->n; i++)
        listener_close(set->items[i].listener);
    listeners_forget(set);
    problems_add(problems, RUN_SOURCE, 0,
                 "cannot print where it listens: standard output is full or its reader is gone");
    return false;
}

// Serves until a signal ends it; returns the exit status.
static int serve(const struct config_source *source, struct config *config,
                 struct listener_set *set, struct control_socket *socket)
{
    struct master master;
    struct control *control = NULL;
    int r = master_open(&master, source, config, set);

    control_place_set(socket->fd);
    if (r >= 0)
        r = control_open(&control, &master, control_socket_take(socket));
    if (r < 0) {
        log_error("cannot start: %s", strerror(-r));
        notify_failure(-r, "cannot start");
        return EX_OSERR;
    }
    r = master_run(&master);
    (void)control_close(control);
    master_close(&master);
    return r;
}

int main(int argc, char **argv)
{
    struct problems problems = {0};
    struct listener_set set = {0};
    struct config *config;
    struct options options = {.control.fd = -1};
    int r, status;

    hold_signals(true);
    r = beginnings_open_standard_fds();
    if (r < 0)
        return EX_OSERR;
    beginnings_reset_signals();
    title_init(argv);
    options_parse(argc, argv, &options);
    hold_signals(!options.given.check);
    r = inherited_open(&problems); // before anything else is: a number may be announced in vain
    oom_score_open();
    hiding_begin();
    if (!options.given.check) {
        log_open(options.given.verbose, options.given.levels);
        notify_open();
    }
    if (r < 0)
        return fail(&options, &problems, NULL, EX_CONFIG);
    options.mark = retry_mark(options.source->name);
    config = rehearse(&options, &problems, &status);
    if (!config)
        return fail(&options, &problems, NULL, status);
    r = options.given.check ? 0 : control_socket_open(&options.control, config, &problems);
    if (r >= 0)
        r = open_listeners(config, &options, &set, &problems);
    answers_forget();
    if (r < 0)
        return fail(&options, &problems, config, listeners_exit_status(r));
    if (options.given.check)
        return tell(&options, config);
    inherited_close(config->n_left_out > 0 || set.error < 0);
    if (is_run(&options) && !announce(&set, &problems))
        return fail(&options, &problems, config, EX_IOERR);
    mistakes_forget();
    listeners_store(&set);
    r = serve(options.source, config, &set, &options.control);
    control_socket_close(&options.control);
    run_done(&options.run);
    config_input_close(&options.input);
    return r;
}
