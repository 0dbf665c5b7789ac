// SPDX-License-Identifier: MIT
// The control plane's socket and connections. A peer may send garbage, nothing, too much, or leave:
// it loses its connection, and nothing else happens. Every source has a lower priority than those
// of signals and children, and than balancing but for a part of the time, MASTER_CALLS_USEC.
//
// accept() cannot block the master: a connection in a unix socket's queue stays there, even when
// its peer has left, until somebody accepts it, and nobody but the master does (systemd holds the
// socket, but accepts nothing itself with Accept=no; workers close it). So what poll() has just
// seen is there; and should all that be wrong, SO_RCVTIMEO bounds the wait. O_NONBLOCK would be
// set for systemd, too.

#include "control/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/base.h"
#include "control/control_kick.h"
#include "control/control_object.h"
#include "control/control_places.h"
#include "log/log.h"
#include "process/own_memory.h"

#define MUTE_USEC    (2 * USEC_PER_SEC)  // from one line to the next, and to a first call
#define SILENT_USEC  (30 * USEC_PER_SEC) // from one call to the next
#define UNREAD_BYTES (256 * 1024)        // of them that the kernel keeps; sd-bus asks for 8 MiB
#define RETRY_USEC   USEC_PER_SEC
#define SAY_USEC     (60 * USEC_PER_SEC)

// Connections beyond the limit wait in the queue. Without any, nothing is swept.
static void set_listening(struct control *control)
{
    bool on = control->n_connections < CONTROL_CONNECTIONS && control->retry_usec == 0;

    (void)sd_event_source_set_enabled(control->listening, on ? SD_EVENT_ON : SD_EVENT_OFF);
    (void)sd_event_source_set_enabled(control->sweep,
                                      control->n_connections > 0 ? SD_EVENT_ON : SD_EVENT_OFF);
}

static void set_timer(struct control *control, uint64_t usec)
{
    (void)sd_event_source_set_time(control->timer, usec);
    (void)sd_event_source_set_enabled(control->timer, SD_EVENT_ONESHOT);
}

static void close_connection(struct control_connection *connection)
{
    control_forget_calls(connection);
    control_kick_forget(connection->control, connection);
    control_input_close(&connection->input);
    connection->bus = sd_bus_close_unref(connection->bus); // no flush: that would block
    base_close_fd(&connection->socket);
    free(connection);
}

// After any event while there are connections. Does what must not be done in sd-bus' own callbacks.
static int on_sweep(sd_event_source *source, void *userdata)
{
    struct control *control = userdata;
    struct control_connection **link = &control->connections;

    (void)source;
    while (*link) {
        struct control_connection *connection = *link;

        if (connection->doomed || sd_bus_is_open(connection->bus) <= 0) {
            *link = connection->next;
            close_connection(connection);
            control->n_connections--;
            control->master->n_visitors--;
        } else {
            control_input_look(&connection->input);
            link = &connection->next;
        }
    }
    set_listening(control);
    return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct control *control = userdata;
    uint64_t now = base_now_usec(), due = USEC_NEVER;

    (void)source;
    (void)usec;
    if (control->retry_usec > now)
        due = control->retry_usec;
    else
        control->retry_usec = 0;
    set_listening(control);
    for (struct control_connection *i = control->connections; i; i = i->next) {
        uint64_t its = (i->n_calls > 0 ? now : i->called_usec) +
                       (i->has_called ? SILENT_USEC : MUTE_USEC);

        if (its <= now && !i->has_called && control_input_is_pending(&i->input))
            its = now + USEC_PER_SEC / 10;
        if (its <= now)
            control_doom(i);
        else if (its < due)
            due = its;
    }
    if (due != USEC_NEVER)
        set_timer(control, due);
    return 0;
}

// Sees every message before anything else does, also those that sd-bus answers by itself.
static int on_message(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    struct control_connection *connection = userdata;

    (void)error;
    if (connection->doomed)
        return 1; // taken, and not answered
    if (sd_bus_message_is_method_call(message, NULL, NULL) > 0) {
        connection->has_called = true;
        connection->called_usec = base_now_usec();
    }
    return 0;
}

static int on_input(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    struct control_connection *connection = userdata;
    unsigned n_lines = connection->input.n_lines;

    (void)source;
    (void)fd;
    (void)events;
    if (!control_input_pass(&connection->input))
        control_doom(connection);
    if (connection->input.n_lines > n_lines)
        connection->called_usec = base_now_usec(); // it goes on, and has not many more of these
    return 0;
}

// Gives sd-bus where it reads, our pipe, and where it writes. It knows no peer then: whom the
// kernel names is asked for its rights by ourselves, see control_object.c.
static int give_files(struct control_connection *connection)
{
    cleanup_close int in = -1, out = fcntl(connection->socket, F_DUPFD_CLOEXEC, 3);
    int r;

    if (out < 0)
        return -errno;
    r = control_input_open(&connection->input, connection->socket, &in);
    if (r >= 0)
        r = sd_bus_set_fd(connection->bus, in, out);
    if (r >= 0) {
        (void)base_take_fd(&in);
        (void)base_take_fd(&out);
    }
    return r;
}

// A D-Bus server for one peer.
static int start_bus(struct control_connection *connection)
{
    sd_event *event = connection->control->master->event;
    const int size = UNREAD_BYTES;
    sd_bus *bus;
    sd_id128_t id;
    int r = sd_bus_new(&connection->bus);

    if (r < 0)
        return r;
    bus = connection->bus;
    r = give_files(connection);
    if (r >= 0)
        r = sd_id128_randomize(&id);
    if (r >= 0)
        r = sd_bus_set_server(bus, 1, id);
    if (r >= 0)
        r = sd_bus_set_anonymous(bus, 1);
    if (r >= 0)
        r = sd_bus_set_sender(bus, "tcpd.Manager");
    if (r >= 0)
        r = sd_bus_negotiate_fds(bus, 0); // none is wanted
    if (r >= 0)
        r = sd_bus_set_close_on_exit(bus, 0); // it would flush first, which blocks
    if (r >= 0)
        r = sd_bus_add_filter(bus, NULL, on_message, connection);
    if (r >= 0)
        r = control_add_object(connection);
    if (r >= 0)
        r = sd_bus_start(bus);
    if (r >= 0)
        r = sd_bus_attach_event(bus, event, MASTER_PRIORITY_CALLS);
    if (r >= 0)
        r = control_input_start(&connection->input, bus, event, MASTER_PRIORITY_CALLS, on_input,
                                connection);
    if (r >= 0) // best effort
        (void)setsockopt(connection->socket, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    return r;
}

static int add_connection(struct control *control, int *fd)
{
    struct control_connection *connection = calloc(1, sizeof(*connection));
    struct ucred peer = {.uid = (uid_t)-1};
    socklen_t length = sizeof(peer);
    int r;

    if (!connection)
        return -ENOMEM;
    (void)getsockopt(*fd, SOL_SOCKET, SO_PEERCRED, &peer, &length); // for the log and the places
    if (!control_has_place(control, peer.uid)) {
        free(connection);
        return -EUSERS;
    }
    connection->control = control;
    connection->pid = peer.pid;
    connection->uid = peer.uid;
    connection->called_usec = base_now_usec();
    connection->socket = base_take_fd(fd);
    connection->input.pipe = -1;
    r = start_bus(connection);
    if (r < 0) {
        close_connection(connection);
        return r;
    }
    connection->next = control->connections;
    control->connections = connection;
    control->n_connections++;
    control->master->n_visitors++;
    set_timer(control, base_now_usec()); // it finds what is due next
    return 0;
}

// Tries again after a while: a level-triggered source would be called for ever.
static void pause_listening(struct control *control, int error)
{
    uint64_t now = base_now_usec();

    control->retry_usec = now + RETRY_USEC;
    set_timer(control, control->retry_usec);
    if (control->said_usec != 0 && now - control->said_usec < SAY_USEC)
        return;
    control->said_usec = now;
    log_warning("control: cannot take a connection: %s; trying again", strerror(error));
}

static int on_connection(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    struct control *control = userdata;
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    cleanup_close int peer = -1;

    (void)source;
    (void)events;
    if (poll(&ready, 1, 0) <= 0)
        return 0;
    peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (peer >= 0)
        (void)add_connection(control, &peer); // fails when the peer has left already, for one
    else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
        pause_listening(control, errno);
    set_listening(control);
    return 0;
}

static int add_sources(struct control *control)
{
    sd_event *event = control->master->event;
    int r = sd_event_add_io(event, &control->listening, control->fd, EPOLLIN, on_connection,
                            control);

    if (r >= 0)
        r = sd_event_source_set_priority(control->listening, MASTER_PRIORITY_CALLS);
    if (r >= 0)
        r = sd_event_add_time(event, &control->timer, CLOCK_MONOTONIC, 0, USEC_PER_SEC, on_timer,
                              control);
    if (r >= 0)
        r = sd_event_source_set_enabled(control->timer, SD_EVENT_OFF);
    if (r >= 0)
        r = sd_event_source_set_priority(control->timer, MASTER_PRIORITY_SWEEP);
    if (r >= 0)
        r = sd_event_add_post(event, &control->sweep, on_sweep, control);
    if (r >= 0)
        r = sd_event_source_set_enabled(control->sweep, SD_EVENT_OFF);
    if (r >= 0)
        r = sd_event_source_set_priority(control->sweep, MASTER_PRIORITY_SWEEP);
    return r;
}

// Whoever calls listen(2) for a unix socket is who its clients are connected to, in the kernel's
// eyes: this process, or the service manager.
static uid_t owner_of(int fd)
{
    struct ucred owner;
    socklen_t length = sizeof(owner);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &owner, &length) == 0 ? owner.uid : 0;
}

int control_open(struct control **ret, struct master *master, int fd)
{
    struct timeval bound = {.tv_usec = 100000};
    struct timespec now;
    struct control *control;
    int r;

    *ret = NULL;
    if (fd < 0)
        return 0;
    control = calloc(1, sizeof(*control));
    if (!control) {
        (void)close(fd);
        return -ENOMEM;
    }
    (void)clock_gettime(CLOCK_REALTIME, &now); // cannot fail with this clock
    control->events = own_memory_new(sizeof(*control->events));
    control->master = master;
    control->fd = fd;
    control->owner = owner_of(fd);
    control->started_usec = base_now_usec();
    control->started_realtime_usec = (uint64_t)now.tv_sec * USEC_PER_SEC +
                                     (uint64_t)now.tv_nsec / 1000;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof(bound)); // a second net
    r = control->events ? add_sources(control) : -ENOMEM;
    if (r < 0)
        control = control_close(control);
    else
        control_watch(control);
    *ret = control;
    return r;
}

struct control *control_close(struct control *control)
{
    if (!control)
        return NULL;
    control->master->watcher = (struct master_watcher){0};
    while (control->connections) {
        struct control_connection *connection = control->connections;

        control->connections = connection->next;
        close_connection(connection);
    }
    control_kick_forget(control, NULL);
    (void)sd_event_source_disable_unref(control->listening);
    (void)sd_event_source_disable_unref(control->timer);
    (void)sd_event_source_disable_unref(control->sweep);
    base_close_fd(&control->fd);
    own_memory_free(control->events, sizeof(*control->events));
    free(control);
    return NULL;
}
