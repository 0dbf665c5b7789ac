// SPDX-License-Identifier: MIT
// Connecting, calling, waiting, each until a deadline. The daemon may be stopped in a debugger, and
// the socket may be anybody's.

#include "ctl/link.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>

#include "base/base.h"
#include "ctl/fail.h"

#define NOT_OURS "%s is not a control socket of tcpd"

static uint64_t deadline_after(uint64_t usec)
{
    uint64_t now = base_now_usec();

    return usec < USEC_NEVER - now ? now + usec : USEC_NEVER;
}

static uint64_t left_until(uint64_t deadline)
{
    uint64_t now = base_now_usec();

    if (deadline == USEC_NEVER)
        return USEC_NEVER;
    return deadline > now ? deadline - now : 0;
}

// TCPD_RUN_DIR/control is tcpd.socket's, TCPD_RUN_DIR/NAME.control tcpd@NAME.socket's.
static void hint_unit(const char *path)
{
    static const char directory[] = TCPD_RUN_DIR "/", end[] = ".control";
    const char *name = path + strlen(directory);
    size_t length = strlen(path);
    char unit[256] = "tcpd.socket";

    if (strncmp(path, directory, strlen(directory)) != 0)
        return;
    if (strcmp(name, "control") != 0) {
        if (length < strlen(directory) + strlen(end) ||
            strcmp(path + length - strlen(end), end) != 0)
            return;
        (void)snprintf(unit, sizeof(unit), "tcpd@%.*s.socket",
                       (int)(length - strlen(directory) - strlen(end)), name);
    }
    if (sd_booted() <= 0)
        (void)fputs("Without systemd, start tcpd with --control PATH, and try: tcpdctl -s PATH\n",
                    stderr);
    else
        (void)fprintf(stderr, "Is %s started? Try: " TCPD_SYSTEMCTL " start %s\n", unit, unit);
}

static int fail_permission(const char *path)
{
    struct stat status;
    const struct group *group = NULL;

    if (stat(path, &status) == 0)
        group = getgrgid(status.st_gid); // NOLINT(concurrency-mt-unsafe): there is one thread
    if (!group || status.st_gid == 0 || (status.st_mode & S_IWGRP) == 0)
        return fail(EX_NOPERM, "only its owner may connect to %s, and root", path);
    return fail(EX_NOPERM, "only root and members of the group %s may connect to %s",
                group->gr_name, path);
}

static bool is_no_socket(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && !S_ISSOCK(status.st_mode);
}

static int fail_connect(const char *path, int error)
{
    if (is_no_socket(path))
        return fail(EX_UNAVAILABLE, "%s is not a socket", path);
    if (error == EPROTOTYPE)
        return fail(EX_UNAVAILABLE, NOT_OURS, path);
    if (error == EACCES || error == EPERM)
        return fail_permission(path);
    if (error == EAGAIN) // connect() has waited for a place in the queue
        return fail(EX_UNAVAILABLE, "cannot connect to %s: tcpd takes no connection", path);
    (void)fail(0, "cannot connect to %s: %s", path, strerror(error));
    if (error == ENOENT || error == ECONNREFUSED)
        hint_unit(path);
    return EX_UNAVAILABLE;
}

static int connect_path(const char *path, uint64_t timeout_usec, int *ret_fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval timeout = {.tv_sec = (time_t)(timeout_usec / USEC_PER_SEC),
                              .tv_usec = (suseconds_t)(timeout_usec % USEC_PER_SEC)};
    cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    if (strlen(path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) < 0)
        return -errno;
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return -errno;
    *ret_fd = base_take_fd(&fd);
    return 0;
}

bool link_is_there(const char *path)
{
    cleanup_close int fd = -1;
    int r = connect_path(path, LINK_ANSWER_USEC, &fd);

    return r != -ENOENT && r != -ECONNREFUSED;
}

// Until both sides have greeted each other; sd-bus' own patience is longer.
static int wait_ready(sd_bus *bus, uint64_t deadline)
{
    int r = sd_bus_start(bus);

    while (r >= 0 && sd_bus_is_ready(bus) == 0) {
        uint64_t left = left_until(deadline);

        if (left == 0)
            return -ETIMEDOUT;
        r = sd_bus_process(bus, NULL);
        if (r == 0)
            r = sd_bus_wait(bus, left);
        if (r >= 0 && sd_bus_is_open(bus) == 0)
            return -ENOTCONN;
    }
    return r;
}

int link_open(const char *path, uint64_t timeout_usec, sd_bus **ret)
{
    uint64_t limit = timeout_usec < LINK_ANSWER_USEC ? timeout_usec : LINK_ANSWER_USEC;
    uint64_t deadline = deadline_after(limit);
    sd_bus *bus = NULL;
    int fd = -1;
    int r = connect_path(path, limit, &fd);

    if (r < 0)
        return fail_connect(path, -r);
    r = sd_bus_new(&bus);
    if (r >= 0)
        r = sd_bus_set_fd(bus, fd, fd);
    if (r < 0)
        (void)close(fd);
    else
        r = wait_ready(bus, deadline);
    if (r >= 0) {
        *ret = bus;
        return EX_OK;
    }
    (void)sd_bus_close_unref(bus);
    if (r == -ENOTCONN || r == -ECONNRESET || r == -EPIPE)
        return fail(EX_UNAVAILABLE,
                    "tcpd has closed the connection to %s at once: too many others are connected "
                    "(half of the places are kept for root), or it is about to exit; try again",
                    path);
    if (r == -ETIMEDOUT)
        return fail(EX_UNAVAILABLE,
                    "tcpd does not answer at %s; see " TCPD_SYSTEMCTL " status tcpd.service", path);
    // Who does not know D-Bus, or wants to be greeted otherwise.
    if (r == -EPERM || r == -EBADMSG || r == -EPROTO || r == -EINVAL)
        return fail(EX_UNAVAILABLE, NOT_OURS, path);
    return fail(EX_UNAVAILABLE, "cannot talk to %s: %s; see " TCPD_SYSTEMCTL " status tcpd.service",
                path, strerror(-r));
}

int link_fail(const sd_bus_error *error, int r)
{
    const char *message = error && error->message ? error->message : strerror(-r);

    if (sd_bus_error_has_name(error, SD_BUS_ERROR_ACCESS_DENIED))
        return fail(EX_NOPERM,
                    "tcpd refuses: only root and the user who has opened its control socket may do "
                    "that, and nothing that a worker has started");
    if (r == -ETIMEDOUT || sd_bus_error_has_name(error, SD_BUS_ERROR_NO_REPLY) ||
        sd_bus_error_has_name(error, SD_BUS_ERROR_TIMEOUT))
        return fail(EX_UNAVAILABLE, "tcpd does not answer in time");
    if (r == -ECONNRESET || r == -ENOTCONN || r == -EPIPE)
        return fail(EX_UNAVAILABLE, "the connection has ended before tcpd answered");
    if (sd_bus_error_has_name(error, "tcpd.Error.Refused")) {
        (void)fprintf(stderr, "%s\n", message);
        return fail(EXIT_FAILURE, "the configuration was refused; the old one stays in force");
    }
    if (sd_bus_error_has_name(error, "tcpd.Error.Wrong")) {
        (void)fprintf(stderr, "%s\n", message);
        return fail(EX_CONFIG, "the configuration is wrong; nothing has changed");
    }
    if (sd_bus_error_has_name(error, "tcpd.Error.Denied"))
        return fail(EX_NOPERM, "%s", message);
    if (sd_bus_error_has_name(error, "tcpd.Error.Usage"))
        return fail(EX_USAGE, "%s", message);
    if (sd_bus_error_has_name(error, SD_BUS_ERROR_UNKNOWN_METHOD))
        return fail(EXIT_FAILURE, "the daemon that runs is of a version that cannot do this");
    return fail(EXIT_FAILURE, "%s", message);
}

int link_new(sd_bus *bus, const char *method, sd_bus_message **ret)
{
    return sd_bus_message_new_method_call(bus, ret, NULL, "/tcpd", "tcpd.Manager", method);
}

int link_send(sd_bus *bus, sd_bus_message *call, uint64_t timeout_usec, sd_bus_message **ret_reply)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    int r = sd_bus_call(bus, call, timeout_usec, &error, ret_reply);
    int status = r < 0 ? link_fail(&error, r) : EX_OK;

    sd_bus_error_free(&error);
    return status;
}

int link_call(sd_bus *bus, const char *method, uint64_t timeout_usec, sd_bus_message **ret_reply)
{
    return link_call_with(bus, method, NULL, (const char *[]){NULL}, timeout_usec, ret_reply);
}

int link_call_with(sd_bus *bus, const char *method, char **services, const char *const *texts,
                   uint64_t timeout_usec, sd_bus_message **ret_reply)
{
    sd_bus_message *call = NULL;
    int r = link_new(bus, method, &call), status;

    if (r >= 0 && services)
        r = sd_bus_message_append_strv(call, services);
    for (; r >= 0 && *texts; texts++)
        r = sd_bus_message_append(call, "s", *texts);
    status = r < 0 ? link_fail(NULL, r) : link_send(bus, call, timeout_usec, ret_reply);
    (void)sd_bus_message_unref(call);
    return status;
}

bool link_ping(sd_bus *bus, uint64_t usec)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message *call = NULL;
    int r = sd_bus_message_new_method_call(bus, &call, NULL, "/tcpd", "org.freedesktop.DBus.Peer",
                                           "Ping");

    if (r >= 0)
        r = sd_bus_call(bus, call, usec, &error, NULL);
    sd_bus_error_free(&error);
    (void)sd_bus_message_unref(call);
    return r >= 0 || sd_bus_is_open(bus) == 0;
}

int link_wait_end(sd_bus *bus, uint64_t timeout_usec)
{
    uint64_t deadline = deadline_after(timeout_usec), next_ping = deadline_after(LINK_PING_USEC);

    while (sd_bus_is_open(bus) > 0) {
        uint64_t left = left_until(deadline), until_ping = left_until(next_ping);
        int r;

        if (left == 0)
            return fail(EX_UNAVAILABLE, "tcpd did not exit in time; it is still draining");
        if (until_ping == 0) {
            if (!link_ping(bus, left < LINK_ANSWER_USEC ? left : LINK_ANSWER_USEC))
                return fail(EX_UNAVAILABLE, "tcpd was asked to stop, but no longer answers");
            next_ping = deadline_after(LINK_PING_USEC);
            continue;
        }
        r = sd_bus_process(bus, NULL);
        if (r == 0)
            r = sd_bus_wait(bus, left < until_ping ? left : until_ping);
        if (r < 0 && r != -EINTR)
            break; // it has gone
    }
    return EX_OK;
}
