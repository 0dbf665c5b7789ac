// SPDX-License-Identifier: MIT
// The control plane's state: its socket and its connections. At the bottom of this folder.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "control/control_input.h"
#include "master/master_events.h"
#include "master/master_state.h"
#include "session/session_kick.h"

#define CONTROL_CONNECTIONS 32 // places: see control_places.h
#define CONTROL_CALLS       16 // of Reload() and Check() that wait, in each connection
#define CONTROL_KICKS       64 // sessions that are being ended
#define CONTROL_EVENTS      64 // that are remembered
#define CONTROL_NAME_MAX    ADDRESS_TEXT_MAX // more than 64 bytes of a service's name take, escaped

// A call of Reload() or Check() that waits for its answer.
struct control_call {
    sd_bus_message *message;
    bool is_check; // else of Reload():
    bool current;  // answered by the reload that runs, else by the next one
};

struct control_connection {
    struct control_connection *next;
    struct control *control;
    int socket; // the peer's; sd-bus writes to a duplicate
    struct control_input input;
    sd_bus *bus;
    pid_t pid; // of who has connected, as the kernel says
    uid_t uid;
    struct control_call calls[CONTROL_CALLS];
    size_t n_calls;
    unsigned event_kinds; // that it wants to be told of, a bit each; 0: none
    uint64_t called_usec; // when it last called something, or came closer to that
    bool has_called;
    bool doomed; // to be closed by the next sweep
};

// A session that is being ended.
struct control_kick {
    struct control_connection *connection;
    sd_bus_message *reply; // without its last word; NULL: there is none
    pid_t pid;
    uint64_t started_usec; // the worker: another one may get its number
    uint64_t number;
    enum kick_how how;
    uint64_t asked_usec, again_usec, kill_usec;
    bool is_killed;
};

// Something that has happened, in texts of D-Bus.
struct control_event {
    uint64_t seq;      // all count, also those that nobody is told
    uint64_t n_missed; // of those, up to this one
    uint64_t realtime_usec;
    enum master_event_kind kind;
    pid_t worker;
    char service[CONTROL_NAME_MAX], listener[CONTROL_NAME_MAX]; // "": of the daemon
    char text[512];
};

// The last ones, by seq.
struct control_events {
    struct control_event last[CONTROL_EVENTS];
    uint64_t n, n_told, n_missed;
    uint64_t second_usec; // when this second began
    unsigned n_second;    // that were told in it
};

struct control {
    struct master *master;
    int fd;
    uid_t owner; // who has opened it
    sd_event_source *listening;
    sd_event_source *timer;
    sd_event_source *sweep; // what must not be done in sd-bus' own callbacks
    struct control_connection *connections;
    unsigned n_connections;
    uint64_t retry_usec;   // accept() failed: not before
    uint64_t said_usec;    // when that was last logged, 0: never
    uint64_t started_usec; // since the daemon runs
    uint64_t started_realtime_usec;
    uint64_t clock_ahead_usec; // of base_now_usec(), as last looked at; 0: not yet
    struct control_kick kicks[CONTROL_KICKS];
    sd_event_source *kick_timer;   // NULL: none was asked for yet
    struct control_events *events; // in memory that no worker has: they name clients
};

// Has the connection closed after this event; may be called from its own callbacks. What calls this
// is an event, and each is followed by a sweep.
static inline void control_doom(struct control_connection *connection)
{
    connection->doomed = true;
}
