// SPDX-License-Identifier: MIT
// tcpdctl: asks a running tcpd over its control socket. The exit status says how that went, one
// line on stderr why; link.c says what went wrong on the way.

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/base.h"
#include "ctl/check.h"
#include "ctl/events.h"
#include "ctl/explain.h"
#include "ctl/findings.h"
#include "ctl/kick.h"
#include "ctl/link.h"
#include "ctl/log.h"
#include "ctl/metrics.h"
#include "ctl/node.h"
#include "ctl/options.h"
#include "ctl/recent.h"
#include "ctl/report.h"
#include "ctl/sessions.h"
#include "ctl/sockets.h"
#include "ctl/sources.h"
#include "ctl/steer.h"
#include "ctl/top.h"
#include "view/status.h"

// A closed standard stream's number would be given to the socket, and messages sent to the daemon.
static void open_standard_streams(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR); // stays open on purpose when it fills such a gap
    while (fd >= 0 && fd <= STDERR_FILENO);
    base_close_fd(&fd);
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
    if (r >= 0 && (fflush(stdout) != 0 || ferror(stdout)))
        r = errno > 0 ? -errno : -EIO;
    if (r >= 0)
        return EX_OK;
    (void)fprintf(stderr, "tcpdctl: cannot print the status: %s\n", strerror(-r));
    return EXIT_FAILURE;
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

int main(int argc, char **argv)
{
    static struct options options; // what it points to stays
    sd_bus *bus = NULL;
    int status;

    open_standard_streams();
    options = options_parse(argc, argv);
    if (options.command == COMMAND_CHECK)
        return check_configuration(&options);
    if (options.command == COMMAND_CONFIG)
        return check_print(&options);
    if (options.command == COMMAND_SOCKETS)
        return sockets_apply(options.socket, options.dry_run);
    if (options.command == COMMAND_METRICS)
        return metrics_run(&options);
    if (options.command == COMMAND_LOG)
        return log_show(&options);
    if (options.command == COMMAND_TOP)
        return top_run(&options);
    status = link_open(options.socket, options.timeout_usec, &bus);
    if (status != EX_OK)
        return status;
    if (options.command == COMMAND_STATUS)
        status = show_status(bus, &options);
    else if (options.command == COMMAND_EXPLAIN)
        status = options.address ? explain_client(bus, &options) : findings_show(bus, &options);
    else if (options.command == COMMAND_SOURCES)
        status = sources_show(bus, &options);
    else if (options.command == COMMAND_PARDON)
        status = sources_pardon(bus, &options);
    else if (options.command == COMMAND_SESSIONS)
        status = session_options_has(&options.sessions, SESSION_RECENT)
                     ? recent_run(bus, &options)
                     : sessions_run(bus, &options);
    else if (options.command == COMMAND_KICK)
        status = kick_run(bus, &options);
    else if (options.command == COMMAND_RELOAD)
        status = link_call(bus, "Reload", options.timeout_usec, NULL);
    else if (options.command == COMMAND_STOP)
        status = stop(bus, &options);
    else if (options.command == COMMAND_PAUSE)
        status = steer_pause(bus, &options);
    else if (options.command == COMMAND_RESUME)
        status = steer_resume(bus, &options);
    else if (options.command == COMMAND_RESIZE)
        status = steer_resize(bus, &options);
    else if (options.command == COMMAND_EVENTS)
        status = events_run(bus, &options);
    else if (options.steer.worker > 0)
        status = steer_drain(bus, &options);
    else
        status = node_order(bus, &options);
    (void)sd_bus_close_unref(bus);
    return status;
}
