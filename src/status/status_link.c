// SPDX-License-Identifier: MIT
#include "status/status_link.h"

#include <errno.h>
#include <sys/time.h>

#include "base/base.h"
#include "process/control_place.h"

static uint64_t left_until(uint64_t deadline_usec)
{
    uint64_t now = base_now_usec();

    return deadline_usec > now ? deadline_usec - now : 0;
}

static int connect_master(uint64_t deadline_usec, int *ret_fd)
{
    uint64_t left = left_until(deadline_usec) + 1; // 0 would be no bound
    const struct timeval timeout = {.tv_sec = (time_t)(left / USEC_PER_SEC),
                                    .tv_usec = (suseconds_t)(left % USEC_PER_SEC)};
    socklen_t length;
    const struct sockaddr *place = control_place_get(&length);
    cleanup_close int fd = -1;

    if (!place)
        return -ENOENT;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) < 0)
        return -errno;
    if (connect(fd, place, length) < 0)
        return errno == ENOENT ? -ECONNREFUSED : -errno;
    *ret_fd = base_take_fd(&fd);
    return 0;
}

// Until both sides have greeted each other; sd-bus' own patience is longer.
static int wait_ready(sd_bus *bus, uint64_t deadline_usec)
{
    int r = sd_bus_start(bus);

    while (r >= 0 && sd_bus_is_ready(bus) == 0) {
        uint64_t left = left_until(deadline_usec);

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

int status_link_open(uint64_t deadline_usec, sd_bus **ret)
{
    sd_bus *bus = NULL;
    int fd = -1;
    int r = connect_master(deadline_usec, &fd);

    if (r < 0)
        return r;
    r = sd_bus_new(&bus);
    if (r >= 0)
        r = sd_bus_set_fd(bus, fd, fd);
    if (r < 0)
        (void)close(fd);
    else
        r = wait_ready(bus, deadline_usec);
    if (r < 0)
        bus = sd_bus_close_unref(bus);
    *ret = bus;
    return r < 0 ? r : 0;
}

int status_link_new(sd_bus *bus, const char *method, sd_bus_message **ret)
{
    return sd_bus_message_new_method_call(bus, ret, NULL, "/tcpd", "tcpd.Manager", method);
}

int status_link_send(sd_bus *bus, sd_bus_message *call, uint64_t deadline_usec,
                     sd_bus_message **ret_reply)
{
    int r = sd_bus_call(bus, call, left_until(deadline_usec) + 1, NULL, ret_reply);

    return r < 0 ? r : 0;
}

int status_link_call(sd_bus *bus, const char *method, uint64_t deadline_usec,
                     sd_bus_message **ret_reply)
{
    sd_bus_message *call = NULL;
    int r = status_link_new(bus, method, &call);

    if (r >= 0)
        r = status_link_send(bus, call, deadline_usec, ret_reply);
    (void)sd_bus_message_unref(call);
    return r < 0 ? r : 0;
}
