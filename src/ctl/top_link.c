// SPDX-License-Identifier: MIT
// sd-bus would wait longer for a daemon that does not greet it than for an answer, so the deadline
// is our own.

#include "ctl/top_link.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "base/base.h"

#define ACCURACY_USEC USEC_PER_MSEC

void top_link_close(struct top_link *link)
{
    link->deadline = sd_event_source_disable_unref(link->deadline);
    if (link->bus)
        (void)sd_bus_detach_event(link->bus);
    link->bus = sd_bus_close_unref(link->bus);
}

static void give_up(struct top_link *link, const char *problem)
{
    top_link_close(link);
    link->answered(link->cookie, NULL, problem);
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)source;
    (void)usec;
    give_up(userdata, "it does not answer in time");
    return 0;
}

static int on_answer(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
    struct top_link *link = userdata;

    (void)ret_error;
    if (sd_bus_is_open(link->bus) <= 0)
        give_up(link, "the connection has ended");
    else
        link->answered(link->cookie, reply, NULL);
    return 0;
}

// Does not wait for a place in the queue of a daemon that takes no connections.
static int connect_path(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -errno;
    if (strlen(path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return -errno;
    return base_take_fd(&fd);
}

// Takes fd.
static int begin(struct top_link *link, int fd)
{
    int r = sd_bus_new(&link->bus);

    if (r >= 0)
        r = sd_bus_set_fd(link->bus, fd, fd);
    if (r < 0) {
        (void)close(fd);
        return r;
    }
    r = sd_bus_start(link->bus);
    if (r >= 0)
        r = sd_bus_attach_event(link->bus, link->event, SD_EVENT_PRIORITY_NORMAL);
    if (r >= 0 && link->timeout_usec != USEC_NEVER)
        r = sd_event_add_time_relative(link->event, &link->deadline, CLOCK_MONOTONIC,
                                       link->timeout_usec, ACCURACY_USEC, on_deadline, link);
    return r;
}

static void fail_by(struct top_link *link, int r)
{
    give_up(link, r == -EAGAIN ? "it takes no connection"
                               : strerror(-r)); // NOLINT(concurrency-mt-unsafe): one thread
}

bool top_link_open(struct top_link *link)
{
    int r = connect_path(link->path);

    if (r >= 0)
        r = begin(link, r);
    if (r < 0)
        fail_by(link, r);
    return r >= 0;
}

sd_bus_message *top_link_new(struct top_link *link, const char *method)
{
    sd_bus_message *call = NULL;

    (void)sd_bus_message_new_method_call(link->bus, &call, NULL, "/tcpd", "tcpd.Manager", method);
    return call;
}

void top_link_send(struct top_link *link, sd_bus_message *call, int r)
{
    if (!call)
        r = -ENOMEM;
    if (r >= 0)
        r = sd_bus_call_async(link->bus, NULL, call, on_answer, link, USEC_NEVER);
    (void)sd_bus_message_unref(call);
    if (r < 0)
        fail_by(link, r);
}
