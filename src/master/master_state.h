// SPDX-License-Identifier: MIT
// What the verbs of the master share: its state, and asking for another look. The verbs are the
// other files in here, one each; the loop (master.h) is above them all.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "config/config.h"
#include "listen/listener.h"
#include "master/node_state.h"
#include "master/rehearsal.h"
#include "pool/pool.h"

// How long the master may be at one thing before it looks at its signals again.
#define MASTER_TURN_USEC (10 * USEC_PER_MSEC)

// Priorities in its event loop: signals and hints come first, which are short; then the look at the
// pools; then the control socket, whose sweep comes before its callers. Where workers do not live
// long looks follow each other without end, so after one of them callers go first for
// MASTER_CALLS_USEC; that again after MASTER_CALLS_AGAIN_USEC at the earliest.
#define MASTER_PRIORITY_BALANCE (SD_EVENT_PRIORITY_NORMAL + 1)
#define MASTER_PRIORITY_SWEEP   (SD_EVENT_PRIORITY_NORMAL + 5)
#define MASTER_PRIORITY_CALLS   (SD_EVENT_PRIORITY_NORMAL + 10)
#define MASTER_PRIORITY_BEHIND  (SD_EVENT_PRIORITY_NORMAL + 11) // the look's, then
#define MASTER_CALLS_USEC       (2 * USEC_PER_MSEC)
#define MASTER_CALLS_AGAIN_USEC (10 * USEC_PER_MSEC)

// Checking: a reload reads its configuration; nothing has changed yet.
enum master_phase {
    MASTER_STARTING,
    MASTER_RUNNING,
    MASTER_CHECKING,
    MASTER_RELOADING,
    MASTER_STOPPING
};

// What dead workers have left behind; master_orphans.c's.
struct orphans {
    bool are_adopted;    // come to the master at all
    bool are_due;        // to be looked for
    bool are_left;       // on purpose, by a service that there is or was
    uint64_t until_usec; // how long after a worker's death
    uint64_t stop_usec;  // stopping: when they are waited for no longer
    pid_t *others;       // children that were here before, none of ours
    bool others_known;   // all of them
    size_t n_others;
    pid_t said[16]; // that are killed, and were named
    unsigned n_said;
};

// What load balancers are told; master_nodes.c's.
struct nodes {
    struct nodes_memory *memory;
    struct node_orders orders;
    bool has_agent;          // that tells them
    uint64_t published_usec; // when it was last told
    int phase;               // of the master, then
};

struct master_event;

// Whoever wants to know what the master does, and sits above it; each may be NULL. Set before it
// runs.
struct master_watcher {
    void *data;
    // A reload begins to read the configuration: it is the one that was asked for before this
    // moment.
    void (*reload_started)(void *data);
    // It has changed nothing, for these problems.
    void (*reload_refused)(void *data, const struct problems *problems);
    // It is over. Not ready: some new workers are still missing.
    void (*reload_ended)(void *data, bool ready);
    // A check has ended (master_check.h), or was given up.
    void (*checked)(void *data, const struct rehearsal_verdict *verdict);
    // No reload or check will come any more.
    void (*stopping)(void *data);
    // Something has happened: master_events.h.
    void (*event)(void *data, const struct master_event *event);
};

enum reload_outcome { RELOAD_DONE, RELOAD_REFUSED, RELOAD_NOT_READY, RELOAD_OUTCOMES };

struct master {
    const struct config_source *source;
    struct config *config;   // a reference
    struct listener_set set; // what is listened on now; the pools own the listeners
    struct pools pools;
    struct master_watcher watcher;
    bool has_terminal; // was started from one, whose end it would not miss
    bool is_system_service;
    unsigned n_refused_said, n_refused_unsaid; // signals and requests, in this period
    unsigned n_visitors; // who keep it from exiting when idle: a watcher's to count
    enum master_phase phase;
    unsigned generation;
    uint64_t n_reloads[RELOAD_OUTCOMES];
    int exit_status;

    sd_event *event;
    sd_event_source *balance; // runs once when something may have changed
    uint64_t calls_usec;      // when callers last began to go before it
    sd_event_source *timer;

    uint64_t phase_usec;    // when the phase began
    uint64_t progress_usec; // reloading: when an old worker was last told to leave
    unsigned n_old;         // reloading: workers of old generations, then
    uint64_t serve_usec;    // stopping: all go on serving until then; 0: no more
    uint64_t stop_usec;     // stopping: when the last workers are killed, USEC_NEVER
    bool at_once;           // stopping: without regard for sessions and queues
    bool is_killing;        // stopping: that time is over
    bool reaping;           // children have died
    struct orphans orphans;
    struct nodes nodes;
    struct rehearsal rehearsal; // checking: what is going on
    struct rehearsal check;     // a check that changes nothing, beside it
    uint64_t check_usec;        // when that began
    uint64_t reap_due_usec;     // they may be looked for
    bool reload_again;          // asked for: as soon as no other one runs
    uint64_t watchdog_usec;     // how often to ping, 0: never
    uint64_t pinged_usec;       // last ping
    uint64_t deaths_usec;       // start of the period in which deaths are logged one by one
    uint64_t tick_usec;         // last round of the timer
    char status[1024];          // last STATUS=
    char reload_problem[256];   // why the last reload was refused, empty: it was not
};

// Asks for another look at all pools, soon.
void master_look_again(struct master *master);

// News for the watcher, if there is one.
void master_say_reload_started(const struct master *master);
void master_say_reload_refused(const struct master *master, const struct problems *problems);
void master_say_reload_ended(const struct master *master, bool ready);
void master_say_stopping(const struct master *master);
