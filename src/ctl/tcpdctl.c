// SPDX-License-Identifier: MIT
// tcpdctl: asks a running tcpd over its control socket. The exit status says how that went, one
// line on stderr why; link.c says what went wrong on the way.

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/base.h"
#include "ctl/check.h"
#include "ctl/events.h"
#include "ctl/explain.h"
#include "ctl/fail.h"
#include "ctl/findings.h"
#include "ctl/kick.h"
#include "ctl/link.h"
#include "ctl/log.h"
#include "ctl/metrics.h"
#include "ctl/node.h"
#include "ctl/options.h"
#include "ctl/output.h"
#include "ctl/recent.h"
#include "ctl/report.h"
#include "ctl/sessions.h"
#include "ctl/sockets.h"
#include "ctl/sources.h"
#include "ctl/steer.h"
#include "ctl/top.h"
#include "view/status.h"

// A closed standard stream's number would be given to the socket, and messages sent to the daemon.
// What replaces standard output cannot be written, so that nobody takes its loss for success.
static void open_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0) // it is the lowest that is free, and stays open on purpose
            (void)open("/dev/null", fd == STDERR_FILENO ? O_WRONLY : O_RDONLY);
}

static int show_status(sd_bus *bus, const struct options *options)
{
    sd_bus_message *reply = NULL;
    int status = link_call(bus, "GetStatus", options->timeout_usec, &reply);
    int r;

    if (status != EX_OK)
        return status;
    r = options->json ? status_print_json(stdout, reply) : report_table(stdout, reply);
    (void)sd_bus_message_unref(reply);
    return r < 0 ? fail(EXIT_FAILURE, "cannot read the status: %s", strerror(-r)) : EX_OK;
}

static int stop(sd_bus *bus, const struct options *options)
{
    uint64_t answer = options->timeout_usec < LINK_ANSWER_USEC ? options->timeout_usec
                                                               : LINK_ANSWER_USEC;
    int status = link_call(bus, "Stop", answer, NULL);

    if (status != EX_OK || options->no_wait)
        return status;
    return link_wait_end(bus, options->timeout_usec);
}

// What needs a connection.
static int ask(sd_bus *bus, const struct options *options)
{
    switch (options->command) {
    case COMMAND_STATUS:
        return show_status(bus, options);
    case COMMAND_EXPLAIN:
        return options->address ? explain_client(bus, options) : findings_show(bus, options);
    case COMMAND_SOURCES:
        return sources_show(bus, options);
    case COMMAND_PARDON:
        return sources_pardon(bus, options);
    case COMMAND_SESSIONS:
        return session_options_has(&options->sessions, SESSION_RECENT) ? recent_run(bus, options)
                                                                       : sessions_run(bus, options);
    case COMMAND_KICK:
        return kick_run(bus, options);
    case COMMAND_RELOAD:
        return link_call(bus, "Reload", options->timeout_usec, NULL);
    case COMMAND_STOP:
        return stop(bus, options);
    case COMMAND_PAUSE:
        return steer_pause(bus, options);
    case COMMAND_RESUME:
        return steer_resume(bus, options);
    case COMMAND_RESIZE:
        return steer_resize(bus, options);
    case COMMAND_EVENTS:
        return events_run(bus, options);
    default:
        return options->steer.worker > 0 ? steer_drain(bus, options) : node_order(bus, options);
    }
}

static int run(const struct options *options)
{
    sd_bus *bus = NULL;
    int status;

    switch (options->command) {
    case COMMAND_CHECK:
        return check_configuration(options);
    case COMMAND_CONFIG:
        return check_print(options);
    case COMMAND_SOCKETS:
        return sockets_apply(options->socket, options->dry_run);
    case COMMAND_METRICS:
        return metrics_run(options);
    case COMMAND_LOG:
        return log_show(options);
    case COMMAND_TOP:
        return top_run(options);
    default:
        status = link_open(options->socket, options->timeout_usec, &bus);
        if (status == EX_OK)
            status = ask(bus, options);
        (void)sd_bus_close_unref(bus);
        return status;
    }
}

int main(int argc, char **argv)
{
    static struct options options; // what it points to stays

    open_standard_streams();
    options = options_parse(argc, argv);
    return output_end(run(&options));
}
