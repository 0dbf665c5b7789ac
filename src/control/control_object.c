// SPDX-License-Identifier: MIT
// The object /tcpd of the control plane, and the answers of Reload(). A call never starts a reload
// by itself: it waits for the next one, so that all who call meanwhile are answered together, and
// never by a reload that had read the files before.

#include "control/control_object.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "control/control_counters.h"
#include "control/control_events.h"
#include "control/control_explain.h"
#include "control/control_kick.h"
#include "control/control_nodes.h"
#include "control/control_recent.h"
#include "control/control_sessions.h"
#include "control/control_sources.h"
#include "control/control_status.h"
#include "control/control_steer.h"
#include "log/log.h"
#include "master/master_check.h"
#include "master/master_kin.h"
#include "master/master_stop.h"

// busctl always behaves as on a bus, and begins with this.
static int on_hello(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    (void)userdata;
    (void)error;
    return sd_bus_reply_method_return(message, "s", ":1.1");
}

static int answer_with(sd_bus_message *message, const struct control_connection *connection,
                       int (*append)(const struct control *control, sd_bus_message *reply))
{
    sd_bus_message *reply = NULL;
    int r = sd_bus_message_new_method_return(message, &reply);

    if (r >= 0)
        r = append(connection->control, reply);
    if (r >= 0)
        r = sd_bus_send(NULL, reply, NULL);
    (void)sd_bus_message_unref(reply);
    return r;
}

static int on_get_status(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    (void)error;
    return answer_with(message, userdata, control_append_status);
}

static int on_get_counters(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    (void)error;
    return answer_with(message, userdata, control_append_counters);
}

// So a tcpd that root's systemd has given a user of its own hears nothing from that user, as it is
// what its workers are; and nothing from them whosoever they are.
bool control_may_steer(const struct control_connection *connection, const char *request,
                       sd_bus_error *error)
{
    const struct control *control = connection->control;

    if (connection->uid != 0 && connection->uid != control->owner)
        (void)sd_bus_error_set(error, SD_BUS_ERROR_ACCESS_DENIED,
                               "only root and the user who has opened the control socket may do "
                               "this");
    else if (master_refuses_request(control->master, connection->pid, connection->uid, request))
        (void)sd_bus_error_set(error, SD_BUS_ERROR_ACCESS_DENIED,
                               "no worker, and no process that one has started, may do this");
    return !sd_bus_error_is_set(error);
}

static int on_sources(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    return control_may_steer(userdata, "asks for sources", error)
               ? control_on_sources(message, userdata, error)
               : -EACCES;
}

static int on_pardon(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    return control_may_steer(userdata, "requests a pardon", error)
               ? control_on_pardon(message, userdata, error)
               : -EACCES;
}

static int on_reload(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    struct control_connection *connection = userdata;
    struct master *master = connection->control->master;

    if (!control_may_steer(connection, "requests a reload", error))
        return -EACCES;
    if (master->phase == MASTER_STOPPING)
        return sd_bus_error_set(error, "tcpd.Error.Stopping", "tcpd is stopping");
    if (connection->n_calls == CONTROL_CALLS)
        return sd_bus_error_set(error, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                "too many calls of Reload() wait already");
    connection->calls[connection->n_calls++].message = sd_bus_message_ref(message);
    log_info("control: process %d of user %u requests a reload", connection->pid, connection->uid);
    master->reload_again = true;
    master_look_again(master);
    return 1; // answered later
}

// A check takes a process and its time, so not everybody may have one made.
static int on_check(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    struct control_connection *connection = userdata;
    int r;

    if (!control_may_steer(connection, "requests a check", error))
        return -EACCES;
    if (connection->n_calls == CONTROL_CALLS)
        return sd_bus_error_set(error, SD_BUS_ERROR_LIMITS_EXCEEDED, "too many calls wait already");
    r = check_start(connection->control->master);
    if (r == -EBUSY)
        return sd_bus_error_set(error, "tcpd.Error.Busy",
                                "another check is under way; try again when it has ended");
    if (r == -EALREADY)
        return sd_bus_error_set(error, "tcpd.Error.Busy",
                                "tcpd is starting, reloading or stopping; try again afterwards");
    if (r < 0)
        return sd_bus_error_setf(error, "tcpd.Error.NotChecked",
                                 "the configuration cannot be checked: %s", strerror(-r));
    connection->calls[connection->n_calls++] = (struct control_call){
        .message = sd_bus_message_ref(message), .is_check = true};
    return 1; // answered later
}

static int on_stop(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    struct control_connection *connection = userdata;

    if (!control_may_steer(connection, "requests a stop", error))
        return -EACCES;
    log_info("control: process %d of user %u requests a stop", connection->pid, connection->uid);
    (void)sd_bus_reply_method_return(message, ""); // whoever cannot be answered stops it as well
    master_stop(connection->control->master, false, 0);
    return 1;
}

static const sd_bus_vtable bus_vtable[] = {
    SD_BUS_VTABLE_START(SD_BUS_VTABLE_HIDDEN),
    SD_BUS_METHOD("Hello", "", "s", on_hello, SD_BUS_VTABLE_UNPRIVILEGED | SD_BUS_VTABLE_HIDDEN),
    SD_BUS_VTABLE_END,
};

static const sd_bus_vtable manager_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("GetStatus", "", "a{sv}aa{sv}aa{sv}aa{sv}", on_get_status,
                  SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("GetCounters", "", "a{sv}aa{sv}", on_get_counters, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("ListSessions", "stua{sv}", "a(utsssstsbtttt)t", control_on_list_sessions,
                  SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("ListWorkers", "stu", "a(ussusbttttts)t", control_on_list_workers,
                  SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("ListRecent", "stu", "a(utssstttttts)t", control_on_list_recent,
                  SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("EndSession", "uts", "ssttts", control_on_end_session,
                  SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Pause", "s", "a(ssuut)", control_on_pause, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Resume", "s", "a(ssut)", control_on_resume, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Resize", "sa{sv}", "a(ss(uuu)(uuu))", control_on_resize,
                  SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("DrainWorker", "u", "a(ssb)", control_on_drain_worker,
                  SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Subscribe", "asu", "tu", control_on_subscribe, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_SIGNAL("Event", "ttsa{sv}", 0),
    SD_BUS_METHOD("Explain", "sss", "aa{sv}", control_on_explain, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Sources", "s", "aa{sv}", on_sources, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Pardon", "ss", "t", on_pardon, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Reload", "", "", on_reload, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Check", "", "sts", on_check, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Drain", "as", "", control_on_drain, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Ready", "as", "", control_on_ready, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Maintain", "ass", "", control_on_maintain, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Sessions", "as", "tt", control_on_sessions, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Stop", "", "", on_stop, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_VTABLE_END,
};

int control_add_object(struct control_connection *connection)
{
    int r = sd_bus_add_object_vtable(connection->bus, NULL, "/org/freedesktop/DBus",
                                     "org.freedesktop.DBus", bus_vtable, connection);

    if (r >= 0)
        r = sd_bus_add_object_vtable(connection->bus, NULL, "/tcpd", "tcpd.Manager", manager_vtable,
                                     connection);
    return r;
}

void control_forget_calls(struct control_connection *connection)
{
    for (size_t i = 0; i < connection->n_calls; i++) {
        if (connection->calls[i].is_check) // the one that is under way
            check_cancel(connection->control->master);
        connection->calls[i].message = sd_bus_message_unref(connection->calls[i].message);
    }
    connection->n_calls = 0;
}

static void on_reload_started(void *data)
{
    const struct control *control = data;

    for (struct control_connection *i = control->connections; i; i = i->next)
        for (size_t k = 0; k < i->n_calls; k++)
            i->calls[k].current = !i->calls[k].is_check;
}

// Answers the calls of one connection: with an error unless it is NULL; those that wait for the
// next reload only if `all`. A peer that cannot be answered is let go, so that it does not wait.
static void answer(struct control_connection *connection, const sd_bus_error *error, bool all)
{
    size_t kept = 0;

    for (size_t i = 0; i < connection->n_calls; i++) {
        struct control_call *call = &connection->calls[i];
        int r;

        if (!call->current && !all) {
            connection->calls[kept++] = *call;
            continue;
        }
        r = error ? sd_bus_reply_method_error(call->message, error)
                  : sd_bus_reply_method_return(call->message, "");
        if (r < 0)
            control_doom(connection);
        call->message = sd_bus_message_unref(call->message);
        connection->called_usec = base_now_usec();
    }
    for (size_t i = kept; i < connection->n_calls; i++)
        connection->calls[i] = (struct control_call){0};
    connection->n_calls = kept;
}

static void answer_all(const struct control *control, const sd_bus_error *error, bool all)
{
    for (struct control_connection *i = control->connections; i; i = i->next)
        answer(i, error, all);
}

// The problems, a line each; NULL without memory.
static char *join(const struct problems *problems)
{
    size_t size = 1, used = 0;
    char *text;

    for (size_t i = 0; i < problems->n; i++)
        size += CONTROL_TEXT_SIZE(problems->texts[i]) + 1;
    text = calloc(1, size);
    for (size_t i = 0; text && i < problems->n; i++) {
        if (i > 0)
            text[used++] = '\n';
        used += control_make_text(problems->texts[i], text + used, size - used);
    }
    return text;
}

static void on_reload_refused(void *data, const struct problems *problems)
{
    cleanup_free char *text = join(problems);
    sd_bus_error refused = SD_BUS_ERROR_MAKE_CONST("tcpd.Error.Refused",
                                                   text && text[0] ? text : "out of memory");

    answer_all(data, &refused, false);
}

static void on_reload_ended(void *data, bool ready)
{
    static const sd_bus_error not_ready = SD_BUS_ERROR_MAKE_CONST(
        "tcpd.Error.NotReady", "some workers of the old generation serve on, as the new ones are "
                               "not ready; see the log");

    answer_all(data, ready ? NULL : &not_ready, false);
}

static int answer_check(sd_bus_message *call, const char *name,
                        const struct rehearsal_verdict *verdict)
{
    bool is_right = verdict->problems.n == 0;
    cleanup_free char *text = join(is_right ? &verdict->warnings : &verdict->problems);
    cleanup_free char *source = calloc(1, CONTROL_TEXT_SIZE(name));
    const sd_bus_error wrong = SD_BUS_ERROR_MAKE_CONST(verdict->is_whole ? "tcpd.Error.Wrong"
                                                                         : "tcpd.Error.NotChecked",
                                                       text && text[0] ? text : "out of memory");

    if (!is_right || !text || !source)
        return sd_bus_reply_method_error(call, &wrong);
    (void)control_make_text(name, source, CONTROL_TEXT_SIZE(name));
    return sd_bus_reply_method_return(call, "sts", source, (uint64_t)verdict->n_services, text);
}

// There is one that waits, and nobody else's.
static void on_checked(void *data, const struct rehearsal_verdict *verdict)
{
    const struct control *control = data;

    for (struct control_connection *i = control->connections; i; i = i->next)
        for (size_t k = 0; k < i->n_calls; k++) {
            if (!i->calls[k].is_check)
                continue;
            if (answer_check(i->calls[k].message, control->master->source->name, verdict) < 0)
                control_doom(i);
            (void)sd_bus_message_unref(i->calls[k].message);
            i->calls[k] = i->calls[--i->n_calls];
            i->calls[i->n_calls] = (struct control_call){0};
            i->called_usec = base_now_usec();
            return;
        }
}

static void on_stopping(void *data)
{
    static const sd_bus_error stopping = SD_BUS_ERROR_MAKE_CONST("tcpd.Error.Stopping",
                                                                 "tcpd is stopping");

    answer_all(data, &stopping, true);
}

void control_watch(struct control *control)
{
    control->master->watcher = (struct master_watcher){
        .data = control,
        .reload_started = on_reload_started,
        .reload_refused = on_reload_refused,
        .reload_ended = on_reload_ended,
        .checked = on_checked,
        .stopping = on_stopping,
        .event = control_on_event,
    };
}
