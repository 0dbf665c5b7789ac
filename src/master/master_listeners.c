// SPDX-License-Identifier: MIT
// A listener belongs to all who have a copy of it, and shutdown(2) by one of them, a program or a
// module, acts for all. TCP sockets can listen again, and one for datagrams can be put in another's
// place. A unix socket cannot, so another one takes its path and its pool's place; one that systemd
// has opened is systemd's to open anew, which it does when tcpd has exited. Workers serve what was
// in the queue before they find out.

#include "master/master_listeners.h"

#include <errno.h>
#include <string.h>
#include <sysexits.h>

#include "base/base.h"
#include "log/log.h"
#include "master/master_stop.h"

#define SAY_USEC   (60 * USEC_PER_SEC)
#define QUICK_USEC (100 * USEC_PER_MSEC)
#define N_QUICK    10 // mends in a row; those after them are a second apart
#define SHIFT_MAX  5  // attempts are up to 32 s apart: each that fails may have bothered someone

// Whether the last words about it are long enough ago; these are the next ones then.
static bool may_say(uint64_t *said_usec, uint64_t now)
{
    if (*said_usec != 0 && now < *said_usec + SAY_USEC)
        return false;
    *said_usec = now;
    return true;
}

static void note_failed(struct pool *pool, const char *fault, int error, uint64_t now)
{
    unsigned shift = pool->mends.n_failures < SHIFT_MAX ? pool->mends.n_failures++ : SHIFT_MAX;

    pool->mends.due_usec = now + (USEC_PER_SEC << shift);
    if (may_say(&pool->mends.said_usec, now))
        log_error("%s: %s, and it cannot listen again: %s; will keep trying", pool->name, fault,
                  strerror(error));
}

// All copies of a program may do it when they end, one soon after the other. Whoever does it again
// and again, as a module may in its open(), costs one attempt a second, and its workers are held
// back as others that die early.
static void note_mended(struct pool *pool, const char *fault, uint64_t now)
{
    struct pool_mends *mends = &pool->mends;
    bool was_said_to_fail = mends->n_failures > 0;

    if (now >= mends->due_usec + SAY_USEC)
        mends->n_quick = 0;
    mends->n_failures = 0;
    mends->due_usec = now + (mends->n_quick < N_QUICK ? QUICK_USEC : USEC_PER_SEC);
    mends->n_quick += mends->n_quick < N_QUICK;
    if (!may_say(&pool->mends.said_usec, now) && !was_said_to_fail)
        return;
    log_error("%s: %s; listening again", pool->name, fault);
    throttle_reset(&pool->deaths); // what its workers died of is mended
}

static void put_into_set(struct listener_set *set, const struct listener *old,
                         struct listener *fresh)
{
    for (size_t i = 0; i < set->n; i++)
        if (set->items[i].listener == old)
            set->items[i].listener = fresh;
}

// Another pool takes over; the old one is emptied and closed as at a reload.
static int replace(struct master *master, struct pool *pool, struct pool **ret)
{
    struct listener *fresh;
    int r = listener_bind_again(pool->listener, pool->service, &fresh);

    if (r < 0)
        return r;
    *ret = pool_new(&master->pools, fresh, pool->config, pool->service, pool->generation);
    if (!*ret) {
        listener_undo(fresh);
        return -ENOSPC;
    }
    pool_take_over(*ret, pool);
    put_into_set(&master->set, pool->listener, fresh);
    listener_store(fresh);
    pool->closing = true;
    if (pool->service->accepts_itself)
        pool->listener->emptied = true; // nobody would say so
    return 0;
}

// Nothing but systemd can open it anew, and systemd does so for the next tcpd.
static void leave_to_systemd(struct master *master, const struct pool *pool)
{
    log_error("%s: someone shut the listener down, which is systemd's to open anew: exiting",
              pool->name);
    master_stop(master, false, EX_TEMPFAIL);
}

// A TCP socket can listen again; another one would be another socket than systemd's.
static bool can_be_revived(const struct listener *listener)
{
    return listener->origin == LISTENER_BOUND || listener_counts(listener);
}

static void mend(struct master *master, struct pool *pool, const char *fault, uint64_t now)
{
    struct listener *listener = pool->listener;
    struct pool *serving = pool;
    bool is_path = listener->family == AF_UNIX;
    int r;

    pool->mends.owed = now < pool->mends.due_usec;
    if (pool->mends.owed)
        return;
    if (listener->misplaced && listener_is_in_place(listener)) {
        listener->misplaced = false;
        return;
    }
    if (!can_be_revived(listener)) {
        leave_to_systemd(master, pool);
        return;
    }
    r = is_path ? replace(master, pool, &serving) : listener_revive(listener);
    if (r < 0) {
        note_failed(pool, fault, -r, now);
        return;
    }
    note_mended(serving, fault, now);
    master_look_again(master);
}

// What is wrong with a listener, NULL: nothing.
static const char *fault_of(const struct listener *listener)
{
    if (listener_is_shut(listener))
        return "someone shut the listener down";
    return listener->misplaced ? "its path has gone or is another's" : NULL;
}

static bool is_served(const struct master *master, const struct pool *pool)
{
    return !pool->closing && (master->phase == MASTER_RUNNING || master->phase == MASTER_CHECKING ||
                              master->phase == MASTER_RELOADING);
}

// Workers wait in accept(), each in its turn; where it does not block, they are all woken for each
// client.
static void make_blocking(struct pool *pool, uint64_t now)
{
    if (pool->n_copies == 0 && listener_make_blocking(pool->listener) &&
        may_say(&pool->mends.blocking_said_usec, now))
        log_warning("%s: someone made the listener non-blocking; undone", pool->name);
}

static void restore_options(struct pool *pool, uint64_t now)
{
    int error;
    const char *wrong = pool->n_copies == 0 ? listener_restore(pool->listener, &error) : NULL;

    if (!wrong || !may_say(&pool->mends.options_said_usec, now))
        return;
    if (error < 0)
        log_record(LOG_ALERT, EVENT_NONE, NULL, 0,
                   "%s: someone changed the listener's %s, which cannot be undone: %s", pool->name,
                   wrong, strerror(-error));
    else
        log_warning("%s: someone changed the listener's %s; undone", pool->name, wrong);
}

void master_mend_listeners(struct master *master, uint64_t now_usec)
{
    for (struct pool *pool = master->pools.first; pool; pool = pool->next) {
        make_blocking(pool, now_usec);
        if (is_served(master, pool) && fault_of(pool->listener))
            mend(master, pool, fault_of(pool->listener), now_usec);
        else if (is_served(master, pool))
            restore_options(pool, now_usec);
    }
}

void master_lose_listener(struct master *master, struct pool *pool, uint64_t now_usec)
{
    pool->listener->emptied = listener_is_shut(pool->listener);
    if (is_served(master, pool) && pool->listener->emptied)
        mend(master, pool, fault_of(pool->listener), now_usec);
}

void master_mend_owed(struct master *master, struct pool *pool, uint64_t now_usec)
{
    if (!pool->mends.owed || now_usec < pool->mends.due_usec)
        return;
    pool->mends.owed = false;
    if (is_served(master, pool) && fault_of(pool->listener))
        mend(master, pool, fault_of(pool->listener), now_usec);
}
