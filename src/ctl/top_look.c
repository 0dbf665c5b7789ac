// SPDX-License-Identifier: MIT
// Says nothing on stderr, where the screen is. sd-bus would wait longer for a daemon that does not
// greet it than for an answer, so the deadline is our own.

#include "ctl/top_look.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/base.h"

#define ACCURACY_USEC USEC_PER_MSEC

static uint64_t real_usec(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now); // cannot fail with this clock
    return (uint64_t)now.tv_sec * USEC_PER_SEC + (uint64_t)now.tv_nsec / 1000;
}

int top_look_read(struct top_look *ret, sd_bus_message *reply)
{
    int r;

    *ret = (struct top_look){.at_usec = base_now_usec(), .real_usec = real_usec()};
    r = counters_read(reply, &ret->counters);
    if (r >= 0)
        ret->reply = sd_bus_message_ref(reply);
    return r;
}

void top_look_done(struct top_look *look)
{
    counters_done(&look->counters);
    (void)sd_bus_message_unref(look->reply);
    *look = (struct top_look){0};
}

void top_asker_stop(struct top_asker *asker)
{
    asker->deadline = sd_event_source_disable_unref(asker->deadline);
    if (asker->bus)
        (void)sd_bus_detach_event(asker->bus);
    asker->bus = sd_bus_close_unref(asker->bus);
}

static void give_up(struct top_asker *asker, const char *problem)
{
    top_asker_stop(asker);
    asker->answered(asker->cookie, NULL, problem);
}

static int on_answer(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
    struct top_asker *asker = userdata;
    const sd_bus_error *error = sd_bus_message_get_error(reply);
    struct top_look look;

    (void)ret_error;
    if (error) {
        bool is_gone = sd_bus_is_open(asker->bus) <= 0;

        give_up(asker, is_gone || !error->message ? "the connection has ended" : error->message);
        return 0;
    }
    if (top_look_read(&look, reply) < 0) {
        give_up(asker, "its answer cannot be read");
        return 0;
    }
    top_asker_stop(asker);
    asker->answered(asker->cookie, &look, NULL);
    return 0;
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)source;
    (void)usec;
    give_up(userdata, "it does not answer in time");
    return 0;
}

// A daemon whose queue is full has not time for us now: that is no reason to wait here.
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

static int call(struct top_asker *asker)
{
    sd_bus_message *message = NULL;
    int r = sd_bus_message_new_method_call(asker->bus, &message, NULL, "/tcpd", "tcpd.Manager",
                                           "GetCounters");

    if (r >= 0)
        r = sd_bus_call_async(asker->bus, NULL, message, on_answer, asker, USEC_NEVER);
    (void)sd_bus_message_unref(message);
    return r;
}

static int begin(struct top_asker *asker, int fd)
{
    int r = sd_bus_new(&asker->bus);

    if (r >= 0)
        r = sd_bus_set_fd(asker->bus, fd, fd);
    if (r < 0) {
        (void)close(fd);
        return r;
    }
    r = sd_bus_start(asker->bus);
    if (r >= 0)
        r = sd_bus_attach_event(asker->bus, asker->event, SD_EVENT_PRIORITY_NORMAL);
    if (r >= 0)
        r = call(asker);
    if (r >= 0 && asker->timeout_usec != USEC_NEVER)
        r = sd_event_add_time_relative(asker->event, &asker->deadline, CLOCK_MONOTONIC,
                                       asker->timeout_usec, ACCURACY_USEC, on_deadline, asker);
    return r;
}

void top_asker_ask(struct top_asker *asker)
{
    int r;

    if (asker->bus)
        return;
    r = connect_path(asker->path);
    if (r == -EAGAIN) {
        give_up(asker, "it takes no connection");
        return;
    }
    if (r >= 0)
        r = begin(asker, r);
    if (r < 0)
        give_up(asker, strerror(-r)); // NOLINT(concurrency-mt-unsafe): there is one thread
}
