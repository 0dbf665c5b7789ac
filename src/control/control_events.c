// SPDX-License-Identifier: MIT
// Peer to peer there is no AddMatch(): who is subscribed is noted here, and each gets a message of
// its own. More than a hundred a second would serve nobody: the rest are counted.

#include "control/control_events.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/base.h"
#include "base/escape.h"
#include "control/control_page.h"
#include "control/control_places.h"
#include "control/control_status.h"

#define A_SECOND   100
#define UNREAD_MAX 128 // messages that a peer has not taken yet
#define ALL_KINDS  ((1U << MASTER_EVENTS) - 1)

static bool wants(const struct control_connection *connection, const struct control_event *event)
{
    return (connection->event_kinds >> event->kind & 1) != 0;
}

static int append_members(sd_bus_message *message, const struct control_event *event)
{
    (void)sd_bus_message_open_container(message, 'a', "{sv}");
    if (event->service[0] != '\0')
        (void)sd_bus_message_append(message, "{sv}{sv}", "service", "s", event->service, "listener",
                                    "s", event->listener);
    if (event->worker > 0)
        (void)sd_bus_message_append(message, "{sv}", "worker", "u", (uint32_t)event->worker);
    (void)sd_bus_message_append(message, "{sv}", "text", "s", event->text);
    (void)sd_bus_message_append(message, "{sv}", "missed", "t", event->n_missed);
    return sd_bus_message_close_container(message);
}

// One that cannot be told, or does not listen, is let go.
static void tell(struct control_connection *connection, const struct control_event *event)
{
    sd_bus_message *message = NULL;
    uint64_t n_unread = 0;
    int r = sd_bus_message_new_signal(connection->bus, &message, "/tcpd", "tcpd.Manager", "Event");

    if (r >= 0)
        r = sd_bus_message_append(message, "tts", event->seq, event->realtime_usec,
                                  master_event_names[event->kind]);
    if (r >= 0)
        r = append_members(message, event);
    if (r >= 0)
        r = sd_bus_send(connection->bus, message, NULL);
    (void)sd_bus_message_unref(message);
    if (r >= 0)
        r = sd_bus_get_n_queued_write(connection->bus, &n_unread);
    if (r < 0 || n_unread > UNREAD_MAX)
        control_doom(connection);
}

// Whether it is one of those that may be told in this second.
static bool is_room(struct control_events *events, uint64_t now)
{
    if (now - events->second_usec >= USEC_PER_SEC) {
        events->second_usec = now;
        events->n_second = 0;
    }
    return events->n_second++ < A_SECOND;
}

static void fill(struct control_event *ret, const struct control_events *events,
                 const struct master_event *event)
{
    struct control_names names = {.service = "", .listener = ""};
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now); // cannot fail with this clock
    *ret = (struct control_event){
        .seq = events->n,
        .n_missed = events->n_missed,
        .realtime_usec = (uint64_t)now.tv_sec * USEC_PER_SEC + (uint64_t)now.tv_nsec / 1000,
        .kind = event->kind,
        .worker = event->worker,
    };
    if (event->pool)
        control_names_of(event->pool, &names);
    memcpy(ret->service, names.service, sizeof(ret->service));
    memcpy(ret->listener, names.listener, sizeof(ret->listener));
    (void)control_make_text(event->text, ret->text, sizeof(ret->text));
}

void control_on_event(void *data, const struct master_event *event)
{
    struct control *control = data;
    struct control_events *events = control->events;
    struct control_event *told = &events->last[events->n_told % CONTROL_EVENTS];

    events->n++;
    if (!is_room(events, base_now_usec())) {
        events->n_missed++;
        return;
    }
    fill(told, events, event);
    events->n_told++;
    for (struct control_connection *i = control->connections; i; i = i->next)
        if (!i->doomed && wants(i, told))
            tell(i, told);
}

static int no_kind(const char *word, sd_bus_error *error)
{
    char known[512] = "", shown[64];
    size_t used = 0;

    for (unsigned i = 0; i < MASTER_EVENTS && used < sizeof(known); i++)
        used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s", i > 0 ? ", " : "",
                                 master_event_names[i]);
    escape_text(word, shown, sizeof(shown));
    return sd_bus_error_setf(error, "tcpd.Error.Usage",
                             "there is no kind of event \"%s\"; there are %s", shown, known);
}

// The kinds, as a bit each; none of them means all. 0, or -errno with the error set.
static int read_kinds(sd_bus_message *message, unsigned *ret, sd_bus_error *error)
{
    const char *word;
    int r = sd_bus_message_enter_container(message, 'a', "s");

    *ret = 0;
    while (r >= 0 && (r = sd_bus_message_read(message, "s", &word)) > 0) {
        unsigned kind = 0;

        while (kind < MASTER_EVENTS && strcmp(master_event_names[kind], word) != 0)
            kind++;
        if (kind == MASTER_EVENTS)
            return no_kind(word, error);
        *ret |= 1U << kind;
    }
    if (r >= 0)
        r = sd_bus_message_exit_container(message);
    if (*ret == 0)
        *ret = ALL_KINDS;
    return r;
}

// Where to begin, so that not more than n of those that are remembered and wanted follow; how many
// these are.
static uint64_t find_first(const struct control_connection *connection, uint32_t n, uint32_t *ret_n)
{
    const struct control_events *events = connection->control->events;
    uint64_t oldest = events->n_told > CONTROL_EVENTS ? events->n_told - CONTROL_EVENTS : 0;
    uint64_t first = events->n_told;

    *ret_n = 0;
    while (first > oldest && *ret_n < n)
        *ret_n += wants(connection, &events->last[--first % CONTROL_EVENTS]);
    return first;
}

int control_on_subscribe(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    struct control_connection *connection = userdata;
    const struct control_events *events = connection->control->events;
    unsigned kinds;
    uint32_t n, n_told;
    uint64_t first;
    int r = read_kinds(message, &kinds, error);

    if (r >= 0)
        r = sd_bus_message_read(message, "u", &n);
    if (r < 0)
        return r;
    if (connection->event_kinds == 0 && !control_may_listen(connection, error))
        return -EUSERS;
    connection->event_kinds = kinds;
    first = find_first(connection, n, &n_told);
    r = sd_bus_reply_method_return(message, "tu", events->n + 1, n_told);
    for (; r >= 0 && first < events->n_told && !connection->doomed; first++)
        if (n_told > 0 && wants(connection, &events->last[first % CONTROL_EVENTS]))
            tell(connection, &events->last[first % CONTROL_EVENTS]);
    return r < 0 ? r : 1;
}
