// SPDX-License-Identifier: MIT
// The master: one sd-event loop that keeps the pools at their size, answers signals, reloads and
// stops. It does not die, does not block, and believes nothing that workers write.
// The struct is shared by master*.c, reload.c and control*.c alone.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "config/config.h"
#include "control/control.h"
#include "listen/listener.h"
#include "pool/pool.h"

// How long the master may be at one thing before it looks at its signals again.
#define MASTER_TURN_USEC (10 * USEC_PER_MSEC)

enum master_phase { MASTER_STARTING, MASTER_RUNNING, MASTER_RELOADING, MASTER_STOPPING };

// What dead workers have left behind; master_orphans.c's.
struct orphans {
    bool are_adopted;    // come to the master at all
    bool are_due;        // to be looked for
    uint64_t until_usec; // how long after a worker's death
    uint64_t stop_usec;  // stopping: when they are waited for no longer
    pid_t *others;       // children that are none of ours
    size_t n_others;
    pid_t said[16]; // that are killed, and were named
    unsigned n_said;
};

struct master {
    const struct config_source *source;
    struct config *config;   // a reference
    struct listener_set set; // what is listened on now; the pools own the listeners
    struct pools pools;
    struct control *control; // NULL: none was handed over
    enum master_phase phase;
    unsigned generation;
    int exit_status;

    sd_event *event;
    sd_event_source *balance; // runs once when something may have changed
    sd_event_source *timer;

    uint64_t phase_usec;    // when the phase began
    uint64_t progress_usec; // reloading: when an old worker was last told to leave
    unsigned n_old;         // reloading: workers of old generations, then
    uint64_t stop_usec;     // stopping: when the last workers are killed, USEC_NEVER
    bool at_once;           // stopping: without regard for sessions and queues
    bool reaping;           // children have died
    struct orphans orphans;
    uint64_t reap_due_usec;   // they may be looked for
    bool reload_again;        // asked for: as soon as no other one runs
    uint64_t watchdog_usec;   // how often to ping, 0: never
    uint64_t pinged_usec;     // last ping
    uint64_t deaths_usec;     // start of the period in which deaths are logged one by one
    uint64_t tick_usec;       // last round of the timer
    char status[1024];        // last STATUS=
    char reload_problem[256]; // why the last reload was refused, empty: it was not
};

// Runs the pools until a signal ends them; takes over config and set, while source, which reloads
// ask, stays the caller's. Returns the exit status.
int master_run(const struct config_source *source, struct config *config, struct listener_set *set);

// Asks for another look at all pools, soon.
void master_look_again(struct master *master);

// Starts to stop: drains, or kills at once.
void master_stop(struct master *master, bool at_once, int exit_status);

// master_balance.c: starts what is missing, closes what goes, moves the phases on.
// Returns true when it should run again at once.
bool master_balance(struct master *master, uint64_t now_usec);
// When balancing wants to be called again without any event, USEC_NEVER.
uint64_t master_balance_due(const struct master *master, uint64_t now_usec);

// master_deaths.c: reaps dead children; logs, counts, throttles. While master->reaping stays set
// there may be more, to be reaped from reap_due_usec on: it neither keeps signals waiting nor looks
// for the dead more than a part of the time.
void master_reap(struct master *master);
// Once in ten seconds: says how many deaths and sessions were not logged one by one.
void master_report_unsaid(struct master *master, uint64_t now_usec);

// master_orphans.c: from now on what dead workers leave behind becomes a child of the master, if
// any service starts processes. Again after each reload.
void master_adopt_orphans(struct master *master);
// A child was reaped: a worker, or another one (NULL).
void master_note_death(struct master *master, const struct worker *worker, pid_t pid, uint64_t now);
// Kills what was left behind; orphans.are_due tells whether there was any.
void master_end_orphans(struct master *master);

// master_status.c: STATUS= when it has changed, and the answer to USR1.
const char *master_status(struct master *master);
void master_log_status(struct master *master);

// master_idle.c: exit_idle_time. When it would be over, USEC_NEVER.
uint64_t master_idle_due(const struct master *master, uint64_t now_usec);
void master_leave_if_idle(struct master *master, uint64_t now_usec);
// Says why the configuration's exit_idle_time has no effect, if so.
void master_warn_of_idle(const struct master *master);

// reload.c: reads everything anew; on any error keeps what there is and says why. Logs.
void reload_start(struct master *master);
// Drains the old generation where the new one is ready; ends the reload when all are.
void reload_advance(struct master *master, uint64_t now_usec);
