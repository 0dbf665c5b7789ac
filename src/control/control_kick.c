// SPDX-License-Identifier: MIT
// The worker compares the number and acts, so nothing has to be certain here: its page is looked at
// to find out whether there is anything to do, and whether it is done. A worker that lies there, or
// does not listen, is killed when its time is over. That is the one thing the page decides, and it
// concerns the worker that wrote it.

#include "control/control_kick.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "base/base.h"
#include "config/handler.h"
#include "control/control_object.h"
#include "control/control_page.h"
#include "log/log.h"
#include "session/session_kick.h"

#define LOOK_USEC         (10 * USEC_PER_MSEC) // between looks,
#define LATER_USEC        (100 * USEC_PER_MSEC)
#define SOON_USEC         (500 * USEC_PER_MSEC) // until that is over
#define AGAIN_USEC        USEC_PER_SEC          // a call that was about to block may have missed it
#define KILL_USEC         (5 * USEC_PER_SEC)    // how long it may take, but for a grace
#define KILL_AT_ONCE_USEC (500 * USEC_PER_MSEC) // where the worker is to kill itself

static const char *const how_names[] = {
    [KICK_CLOSE] = "close", [KICK_RESET] = "reset", [KICK_KILL] = "kill"};

// The worker that was meant, if it still runs.
static struct worker *find(const struct control *control, const struct control_kick *kick)
{
    struct worker *worker = slots_find(control->master->pools.slots, kick->pid);

    return worker && worker->started_usec == kick->started_usec ? worker : NULL;
}

static bool has_it(const struct control *control, const struct control_kick *kick,
                   const struct worker *worker)
{
    return scoreboard_number(&control->master->pools.board, worker->slot) == kick->number;
}

static void give_up(struct control_kick *kick)
{
    (void)sd_bus_message_unref(kick->reply);
    *kick = (struct control_kick){0};
}

static void answer(struct control_kick *kick, bool is_killed)
{
    int r = sd_bus_message_append(kick->reply, "s", is_killed ? "killed" : "ended");

    if (r >= 0)
        r = sd_bus_send(NULL, kick->reply, NULL);
    if (r < 0)
        control_doom(kick->connection); // so that it does not wait
    give_up(kick);
}

// Whose worker has not obeyed.
static void kill_worker(struct control_kick *kick, const struct worker *worker)
{
    if (kick->is_killed)
        return;
    kick->is_killed = slots_signal(worker, SIGKILL) == 0;
    log_warning("%s: worker %d did not end its session %" PRIu64 ": killed", worker->pool->name,
                (int)worker->pid, kick->number);
}

// False: it is over, and answered.
static bool look_at(const struct control *control, struct control_kick *kick, uint64_t now)
{
    const struct worker *worker = find(control, kick);

    kick->connection->called_usec = now; // it is not silent, but waits
    if (!worker || (!kick->is_killed && !has_it(control, kick, worker))) {
        answer(kick, kick->is_killed || (!worker && kick->how == KICK_KILL));
        return false;
    }
    if (now >= kick->kill_usec) {
        kill_worker(kick, worker);
    } else if (now >= kick->again_usec) {
        kick->again_usec = now + AGAIN_USEC;
        (void)slots_order(worker, session_kick_value(kick->number, kick->how));
    }
    return true;
}

static int on_look(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct control *control = userdata;
    uint64_t now = base_now_usec(), wait = LATER_USEC;
    unsigned n = 0;

    (void)usec;
    for (size_t i = 0; i < CONTROL_KICKS; i++) {
        struct control_kick *kick = &control->kicks[i];

        if (!kick->reply || !look_at(control, kick, now))
            continue;
        n++;
        if (now < kick->asked_usec + SOON_USEC)
            wait = LOOK_USEC;
    }
    if (n == 0)
        return 0; // it is a oneshot source
    (void)sd_event_source_set_time(source, now + wait);
    (void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    return 0;
}

// Has them looked at soon.
static int set_timer(struct control *control, uint64_t now)
{
    uint64_t due = now + USEC_PER_MSEC;
    int r;

    if (!control->kick_timer) {
        r = sd_event_add_time(control->master->event, &control->kick_timer, CLOCK_MONOTONIC, due,
                              USEC_PER_MSEC, on_look, control);
        return r < 0 ? r : sd_event_source_set_priority(control->kick_timer, MASTER_PRIORITY_CALLS);
    }
    r = sd_event_source_set_time(control->kick_timer, due);
    return r < 0 ? r : sd_event_source_set_enabled(control->kick_timer, SD_EVENT_ONESHOT);
}

// The answer but for how it went: whose session that is.
static int describe(const struct control_connection *connection, const struct worker *worker,
                    sd_bus_message *reply)
{
    const struct control_page page = {.now_usec = base_now_usec(),
                                      .addresses = control_addresses_for(connection)};
    struct score score = scoreboard_read(&connection->control->master->pools.board, worker->slot);
    char peer[ADDRESS_TEXT_MAX];
    struct control_names names;

    control_page_names(worker, &names);
    return sd_bus_message_append(
        reply, "ssttt", names.service, control_page_peer(&page, &score.peer, peer, sizeof(peer)),
        control_page_age(&page, score.since_usec), score.live.received, score.live.sent);
}

static int parse_how(const char *text, enum kick_how *ret)
{
    for (size_t i = 0; i < ELEMENTS(how_names); i++)
        if (strcmp(text, how_names[i]) == 0) {
            *ret = (enum kick_how)i;
            return 0;
        }
    return -EINVAL;
}

// What is asked for. 0, or -errno with the error set.
static int read_kick(sd_bus_message *message, struct control_kick *ret, sd_bus_error *error)
{
    const char *how;
    uint32_t pid;
    int r = sd_bus_message_read(message, "uts", &pid, &ret->number, &how);

    if (r < 0)
        return r;
    ret->pid = pid <= INT32_MAX ? (pid_t)pid : 0;
    if (ret->number == 0 || parse_how(how, &ret->how) < 0)
        return sd_bus_error_set(error, "tcpd.Error.Usage",
                                "sessions count from 1, and are ended by close, reset or kill");
    return 0;
}

// The worker that serves it. NULL: the error is set.
static const struct worker *find_server(const struct control *control, struct control_kick *kick,
                                        sd_bus_error *error)
{
    const struct worker *worker = slots_find(control->master->pools.slots, kick->pid);
    const struct service *service = worker ? worker->pool->service : NULL;

    if (!worker)
        (void)sd_bus_error_set(error, "tcpd.Error.NotFound", "there is no such worker");
    else if (worker->accepts_itself || service->leaves_clients)
        (void)sd_bus_error_set(error, "tcpd.Error.NotPossible",
                               "its program takes clients by itself");
    else if (worker->pool->listener->bound.type == SOCK_DGRAM)
        (void)sd_bus_error_set(error, "tcpd.Error.NotPossible", "it serves datagrams");
    else if (!has_it(control, kick, worker))
        (void)sd_bus_error_set(error, "tcpd.Error.Over", "that session is over");
    return sd_bus_error_is_set(error) ? NULL : worker;
}

static struct control_kick *find_place(struct control *control)
{
    for (size_t i = 0; i < CONTROL_KICKS; i++)
        if (!control->kicks[i].reply)
            return &control->kicks[i];
    return NULL;
}

// How long it may take.
static uint64_t patience(const struct service *service, enum kick_how how)
{
    if (how == KICK_KILL)
        return KILL_AT_ONCE_USEC;
    return KILL_USEC + (service->handler->grace ? service->handler->grace(service) : 0);
}

static int start(struct control_connection *connection, sd_bus_message *message,
                 struct control_kick *kick, const struct worker *worker)
{
    struct control *control = connection->control;
    struct control_kick *place = find_place(control);
    uint64_t now = base_now_usec();
    int r = sd_bus_message_new_method_return(message, &kick->reply);

    if (r >= 0)
        r = describe(connection, worker, kick->reply);
    if (r >= 0)
        r = set_timer(control, now);
    if (r < 0) {
        give_up(kick);
        return r;
    }
    kick->connection = connection;
    kick->started_usec = worker->started_usec;
    kick->asked_usec = now;
    kick->again_usec = now + AGAIN_USEC;
    kick->kill_usec = now + patience(worker->pool->service, kick->how);
    *place = *kick;
    log_info("%s: process %d of user %u ends session %d.%" PRIu64 " (%s)", worker->pool->name,
             connection->pid, connection->uid, (int)worker->pid, kick->number,
             how_names[kick->how]);
    master_tell(control->master, MASTER_EVENT_KICKED, worker->pool, worker->pid,
                "process %d of user %u ends session %d.%" PRIu64 " (%s)", connection->pid,
                connection->uid, (int)worker->pid, kick->number, how_names[kick->how]);
    if (slots_order(worker, session_kick_value(kick->number, kick->how)) < 0)
        place->again_usec = now; // too many signals are queued: at the next look
    return 1;                    // answered later
}

int control_on_end_session(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    struct control_connection *connection = userdata;
    struct control_kick kick = {0};
    const struct worker *worker;
    int r;

    if (!control_may_steer(connection, "ends a session", error))
        return -EACCES;
    r = read_kick(message, &kick, error);
    if (r < 0)
        return r;
    if (!find_place(connection->control))
        return sd_bus_error_set(error, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                "too many sessions are being ended already");
    worker = find_server(connection->control, &kick, error);
    return worker ? start(connection, message, &kick, worker) : -ENOENT;
}

void control_kick_forget(struct control *control, const struct control_connection *connection)
{
    for (size_t i = 0; i < CONTROL_KICKS; i++)
        if (control->kicks[i].reply && (!connection || control->kicks[i].connection == connection))
            give_up(&control->kicks[i]);
    if (!connection)
        control->kick_timer = sd_event_source_disable_unref(control->kick_timer);
}
