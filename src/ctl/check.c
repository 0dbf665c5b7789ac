// SPDX-License-Identifier: MIT
// Only the daemon sees what its sandbox lets it see, so it is asked whenever it runs; but it is not
// started for that, as systemd would do for whoever connects: with a configuration that is wrong it
// would fail to start, again and again.

#include "ctl/check.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/base.h"
#include "ctl/command.h"
#include "ctl/fail.h"
#include "ctl/link.h"

#define INACTIVE 3 // of systemctl(1)
#define NO_UNIT  4

// What systemd says of the unit; where there is no systemd, the socket will tell.
static bool is_stopped(const char *unit)
{
    const char *manager = strstr(TCPD_SYSTEMCTL, " --user") ? "--user" : "--system";
    const char *const arguments[] = {"systemctl", manager, "--quiet", "is-active", unit, NULL};
    int status = sd_booted() > 0 ? command_run(arguments, NULL) : -1;

    return status == INACTIVE || status == NO_UNIT;
}

// The daemon's program: as it is installed, /usr/libexec/tcpd/tcpd for /usr/bin/tcpdctl, or beside
// this one, as both are built. Other systems have another program tcpd in /usr/bin.
static const char *find_program(char *path, size_t size)
{
    char folder[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", folder, sizeof(folder) - 1);
    char *slash;

    if (n < 0)
        return "/usr/libexec/tcpd/tcpd";
    folder[n] = '\0';
    slash = strrchr(folder, '/');
    if (slash)
        *slash = '\0';
    (void)snprintf(path, size, "%s/tcpd-generator", folder);
    (void)snprintf(path, size, "%s/%s", folder,
                   access(path, F_OK) == 0 ? "tcpd" : "../libexec/tcpd/tcpd");
    return path;
}

// Returns only when that fails.
static int become_program(const char *file, const char *option)
{
    char path[PATH_MAX + 32];
    const char *program = find_program(path, sizeof(path));

    (void)execl(program, "tcpd", "-c", file, option, (char *)NULL);
    return fail(EX_UNAVAILABLE, "cannot execute %s: %s", program, strerror(errno));
}

static int check_here(const struct options *options, const char *why)
{
    (void)fail(0, "%s; it is checked here, outside of the daemon's sandbox", why);
    return become_program(options->file, "-t");
}

static int ask(sd_bus *bus, uint64_t timeout_usec)
{
    const char *source, *warnings;
    sd_bus_message *reply = NULL;
    int status = link_call(bus, "Check", timeout_usec, &reply);
    uint64_t n;

    if (status == EX_OK && sd_bus_message_read(reply, "sts", &source, &n, &warnings) < 0) {
        status = fail(EXIT_FAILURE, "the daemon's answer cannot be read");
    } else if (status == EX_OK) {
        (void)fprintf(stderr, "%s%s", warnings, warnings[0] != '\0' ? "\n" : "");
        (void)printf("%s: configuration is right: %" PRIu64 " service%s\n", source, n, PLURAL(n));
    }
    (void)sd_bus_message_unref(reply);
    return status;
}

int check_configuration(const struct options *options)
{
    char why[PATH_MAX + 512];
    sd_bus *bus = NULL;
    int status;

    if (options->is_elsewhere) {
        (void)snprintf(why, sizeof(why), "no unit reads %s", options->file);
        return check_here(options, why);
    }
    if (options->unit && (is_stopped(options->unit) || !link_is_there(options->socket))) {
        (void)snprintf(why, sizeof(why), "%s does not run, which reads %s", options->unit,
                       options->file);
        return check_here(options, why);
    }
    status = link_open(options->socket, options->timeout_usec, &bus);
    if (status == EX_OK)
        status = ask(bus, options->timeout_usec);
    (void)sd_bus_close_unref(bus);
    return status;
}

int check_print(const struct options *options)
{
    return become_program(options->file, "-T");
}
