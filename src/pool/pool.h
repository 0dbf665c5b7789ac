// SPDX-License-Identifier: MIT
// The workers of one listener: starting, counting, draining, killing, taking note of deaths.
// Mechanism only: how many and when is the master's to say. Nothing here blocks or logs.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "board/scoreboard.h"
#include "config/config.h"
#include "listen/listener.h"
#include "log/log.h"
#include "pool/pool_text.h"
#include "pool/sizing.h"
#include "pool/slots.h"
#include "pool/sources.h"
#include "pool/throttle.h"
#include "sandbox/sandbox.h"

// How many of a pool's workers were last seen doing what.
struct pool_counts {
    unsigned ready;   // active ones that have come to accept()
    unsigned spare;   // active ones that are not busy
    unsigned idle;    // of all workers: neither busy nor draining
    unsigned waiting; // of all workers: those in accept()
    unsigned parked;  // of all workers: those in reserve
    unsigned leaving; // draining workers without a session
    unsigned busy;    // of all workers, draining ones included
};

#define POOL_NAME_MAX (72 + ADDRESS_TEXT_MAX)
#define POOL_FIELDS   2

// A listener that somebody shuts down, or whose path goes away, is opened anew.
struct pool_mends {
    uint64_t due_usec; // not before
    bool owed;         // but then
    unsigned n_quick;  // mends in a row
    unsigned n_failures;
    uint64_t said_usec;          // when that was last logged; 0: never
    uint64_t blocking_said_usec; // the same of one that somebody made non-blocking,
    uint64_t options_said_usec;  // and of its options
};

// Copies of a program that accepts by itself that have exited as they had nothing to do.
struct pool_rest {
    unsigned n;              // not to be started before a client comes
    bool called;             // one has come since the last look
    uint64_t client_usec;    // when the last one came that was seen
    sd_event_source *source; // that sees them come; the master's, NULL: there is none
    struct throttle doubts;  // copies that may have served nobody, though somebody waits
};

// How a worker has ended.
enum pool_exit {
    POOL_EXIT_DRAINED,
    POOL_EXIT_RETIRED,
    POOL_EXIT_CRASHED, // of its own doing
    POOL_EXIT_KILLED,
    POOL_EXIT_FORBIDDEN, // by its sandbox
    POOL_EXIT_FAILED,    // to be set up, or for want of something
    POOL_EXIT_PROGRAM,   // of a program in its place, or of a module that called exit()
    POOL_EXITS
};
extern const char *const pool_exit_names[POOL_EXITS]; // "drained"

// What is only counted, since the pool was made. None of it ever falls.
struct pool_totals {
    struct score_counts before; // by workers that are gone
    struct score_counts shown;  // the last sums that were asked for
    uint64_t starts, fork_failures, exits[POOL_EXITS];
    uint64_t lost[LOG_LOSSES]; // records of sessions
    uint64_t full_usec;        // with all workers that there may be, and none idle
    uint64_t full_since_usec;  // 0: it is not so
};

// pool_sources.c: how many connections each source has.
struct pool_sources {
    void *memory; // shared with the pool's workers; NULL: none
    size_t n_bytes;
    struct source_table table;
    uint64_t due_usec; // of the next recount
};

// pool_steer.c: what an administrator has ordered, until it is taken back.
struct pool_orders {
    uint64_t paused_usec;        // since when nobody is to serve; 0: it is not paused
    bool is_resized;             // until the next reload:
    struct sizing_limits limits; // instead of the service's
};

struct pool {
    struct pool *next;
    struct listener *listener; // owned
    struct config *config;     // a reference
    const struct service *service;
    char name[POOL_NAME_MAX]; // "echo 127.0.0.1:7007"
    unsigned index;           // in pools->all, and of its hint page
    unsigned generation;

    struct worker *workers; // all that were not reaped yet
    struct pool_counts counts;
    uint64_t scan_due_usec; // when the scoreboard may be looked at again
    uint64_t trial_usec;    // when the first of those on trial will have passed it; USEC_NEVER
    bool stale;             // somebody wanted to before
    bool has_stopped;       // workers, maybe
    struct reserve_drift drift;
    unsigned n_active; // of this generation
    unsigned n_old;    // of earlier ones, still accepting
    unsigned n_draining;
    unsigned n_copies;     // of all these: those that leave clients to programs
    struct pool_rest rest; // of these: those that have nothing to do
    unsigned widest;       // the greatest max_workers that workers not of this generation had
    unsigned floor;        // keeps the capacity during a reload
    int adjustment;        // TTIN, TTOU
    struct pool_orders orders;
    struct pool_totals totals;
    uint64_t sessions_before; // by workers that are gone
    uint64_t departed_usec;   // when the last of them that had served, or may have, left

    struct throttle deaths, forks;
    uint64_t death_usec;    // the last early death that was counted
    uint64_t started_usec;  // the last worker
    uint64_t held_usec;     // the wait that was last logged, 0: none
    char last_death[96];    // of those that count: "exited with status 1"
    struct sources sources; // of clients, while their workers died
    struct pool_sources counted;
    struct sizing_bucket excused; // deaths that were their sources'
    struct sizing_surplus surplus;
    struct sizing_bucket bucket;

    bool closing;               // its listener goes away: empty the queue, drain, close
    bool drained;               // closing, and every worker was told
    int stop_idle_ms;           // all of tcpd stops: for clients that are owed nothing; 0: no bound
    bool was_closing;           // before the reload that is being carried out
    bool starved;               // wants workers, and the bucket is empty
    enum listener_quiet quiet;  // closing: what still comes
    uint64_t quiet_usec;        // closing: its queue is empty since; 0: not quiesced yet
    uint64_t unaccepted_usec;   // at each look since then somebody waited for its program
    uint64_t full_said_usec;    // when "at its maximum" was last logged
    uint64_t dropped_said_usec; // the same of datagrams that were dropped,
    unsigned dropped_said;      // and how many there were then
    bool told_full;             // that all are busy,
    bool told_throttled;        // that its starts wait,
    uint64_t told_lost;         // and how many records are lost: master_events.h
    struct pool_mends mends;    // of its listener
    struct pool_text text;      // that a module writes
    unsigned n_deaths_said;     // deaths logged in this period ...
    unsigned n_deaths_unsaid;   // ... and not logged
    unsigned n_left_said;       // workers that died in this period and had lines to write
    uint64_t n_forbidden;       // of all deaths: by a call that the sandbox forbids
};

// What all pools share.
struct pools {
    struct pool *first; // in the order of their making
    struct pool *all;   // SCOREBOARD_POOLS of them, in memory of the master's own
    struct slots *slots;
    struct scoreboard board;
    int wake;                     // eventfd: a worker's hint that the master should look
    int dead_socket;              // see worker_setup
    struct sandbox sandbox;       // what workers are held by
    struct siphash_secret secret; // by which sources find their entries
    bool has_secret;
};

int pools_open(struct pools *pools);
// After the pools were made or changed, before a worker is forked: what is the master's alone.
void pools_settle_memory(const struct pools *pools);
// All that were not reaped yet.
unsigned pools_count_workers(const struct pools *pools);
void pools_close(struct pools *pools);

// A pool without workers; owns the listener from now on. NULL when there are too many.
struct pool *pool_new(struct pools *pools, struct listener *listener, struct config *config,
                      const struct service *service, unsigned generation);
// How many more pools there may be.
unsigned pools_count_free(const struct pools *pools);
// Closes the listener and frees the pool, which has no worker any more.
void pool_free(struct pools *pools, struct pool *pool);
// Makes a new pool the one that serves where the other did: what is bounded for a pool stays so.
void pool_take_over(struct pool *pool, const struct pool *from);
// Gives the pool its next generation: the workers there are become old ones.
void pool_renew(struct pool *pool, struct config *config, const struct service *service,
                unsigned generation);

// Fills in two fields of a record about the pool: TCPD_SERVICE and TCPD_LISTENER.
void pool_fields(const struct pool *pool, struct log_field *ret);

// pool_steer.c: how many workers there are to be, now; none in a paused pool.
struct sizing_limits pool_limits(const struct pool *pool);
// The same as if it were not paused, for whoever looks.
struct sizing_limits pool_limits_shown(const struct pool *pool);
// What the service has, or what it was resized to.
struct sizing_limits pool_bounds(const struct pool *pool);
// Nobody serves, and whoever comes waits in the queue. A listener that goes away has no pause: what
// is in its queue would be lost.
static inline bool pool_is_paused(const struct pool *pool)
{
    return pool->orders.paused_usec != 0 && !pool->closing;
}
// Drains all workers. Sessions go on.
void pool_pause(struct pool *pool, uint64_t now_usec);
void pool_resume(struct pool *pool);
// Other limits than the service's, or these again (NULL). Fewer workers at once is left to
// sizing_excess(), which cuts nobody.
void pool_resize(struct pool *pool, const struct sizing_limits *limits);

// pool_count.c: what workers do. The counts are kept up to date at every start and death; only what
// the workers themselves changed has to be looked up, which costs a look at each.
// Looks, unless it was done so lately that looking would take more than a part of the master's
// time; then the pool is stale, and due again at scan_due_usec. True when it has looked.
#define POOL_REST 16 // times as long as a look took, before the next
bool pool_scan(const struct pools *pools, struct pool *pool);
// Puts a worker into the counts, or takes it out, as it was last seen.
void pool_count_in(struct worker *worker);
void pool_count_out(struct worker *worker);
// A program in its place is there beside old ones, and has not shown yet that it runs.
bool pool_is_on_trial(const struct worker *worker, uint64_t now_usec);
// What sizing wants to know, with the accept queue as it is now.
struct sizing_counts pool_sizing(const struct pool *pool);
// All workers, whatever their generation.
unsigned pool_size(const struct pool *pool);
// Besides max_workers of this generation there may be as many that drain or are of earlier ones
// (of the greatest maximum that these had, if that is more): whether there are fewer.
bool pool_may_drain(const struct pool *pool);
// No worker may be added: all of this generation are there, or all that there may be at all.
bool pool_is_full(const struct pool *pool);
// And all of them serve somebody: whoever comes waits. Of programs that take clients by themselves
// nobody knows, and a paused one is meant to have none.
bool pool_is_exhausted(const struct pool *pool);
// Programs that accept by themselves and were still on trial at the next reload: how many old ones
// there are beyond those that may be, so that there is no room for new ones.
unsigned pool_over(const struct pool *pool);

// Lets workers wake the master again when fewer than the spare ones wait.
void pool_arm(const struct pools *pools, const struct pool *pool);
// Puts the workers' own counts of idle ones right; after a look, once in a while.
void pool_correct(const struct pools *pools, struct pool *pool);
// Wakes workers in reserve by what was counted here, should a queue be there all the same, or few
// in accept(); once in a while.
void pool_rouse(const struct pools *pools, const struct pool *pool, unsigned queued);

// How long early deaths hold new workers back still, 0: not at all. But of its minimum a pool may
// have one a second: whoever waits, waits no longer than that for the next try.
#define POOL_RETRY_USEC USEC_PER_SEC
uint64_t pool_throttled(const struct pool *pool, uint64_t now_usec);

// Forks one worker. 0 or -errno.
int pool_spawn(struct pools *pools, struct pool *pool, uint64_t now_usec);
// Takes a reaped worker out, whose page said `score` at the end; its record is gone afterwards.
void pool_remove(struct pools *pools, struct worker *worker, const struct score *score,
                 bool killed);

// Tells a worker to finish its session and leave.
void pool_drain(struct worker *worker, uint64_t now_usec);
// Drains n active workers, idle ones first.
void pool_drain_some(const struct pools *pools, struct pool *pool, unsigned n, uint64_t now_usec);
// Drains workers of earlier generations: all once enough of this one are ready; before, those that
// have no session and that the ready ones replace.
void pool_drain_old(struct pool *pool, uint64_t now_usec);
// Drains all. Those that were told before are told again if there is stop_idle_ms now.
void pool_drain_all(struct pool *pool, uint64_t now_usec);
// While a stop waits for the queue to be emptied: tells workers how long clients may be idle, so
// that those who wait get their turn; once a second, as a call that is about to block may miss it.
void pool_hurry(struct pool *pool, uint64_t now_usec);
// Drains workers past their age that have no session (others leave after it); tells again those
// that could not be told, or were told more than a second ago.
void pool_tend(const struct pools *pools, struct pool *pool, uint64_t now_usec);
void pool_kill_all(struct pool *pool);
// Continues workers that have been stopped (SIGSTOP) for a while, which nobody else would do: how
// many, and one of them.
unsigned pool_continue(struct pool *pool, uint64_t now_usec, pid_t *ret_pid);
