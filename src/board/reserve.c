// SPDX-License-Identifier: MIT
// The reserve: counts, and a futex that only ever goes forward, futex(2), so that nobody who is
// about to wait misses a change. Whoever parks says so before it looks how many wait, and whoever
// leaves lowers that number before it looks whether somebody is parked; so one sees the other.

#include "board/reserve.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

static long futex(struct reserve *reserve, int operation, uint32_t value)
{
    return syscall(SYS_futex, &reserve->turn, operation, value, NULL, NULL, 0);
}

// Takes up to n away from a count that does not go below zero; returns how many.
static int32_t take(_Atomic int32_t *count, int32_t n)
{
    int32_t there = atomic_load(count), taken;

    do {
        taken = there < n ? there : n;
        if (taken <= 0)
            return 0;
    } while (!atomic_compare_exchange_weak(count, &there, there - taken));
    return taken;
}

static bool take_call(struct reserve *reserve)
{
    uint32_t calls = atomic_load(&reserve->calls);

    while (calls > 0)
        if (atomic_compare_exchange_weak(&reserve->calls, &calls, calls - 1))
            return true;
    return false;
}

void reserve_call(struct reserve *reserve, int32_t n)
{
    n = take(&reserve->parked, n);
    if (n == 0)
        return;
    // Counted at once, or everyone who leaves before they arrive would call as many again.
    (void)atomic_fetch_add(&reserve->waiting, n);
    (void)atomic_fetch_add(&reserve->calls, (uint32_t)n);
    (void)atomic_fetch_add(&reserve->turn, 1);
    (void)futex(reserve, FUTEX_WAKE, (uint32_t)n);
}

static void call_if_few(struct reserve *reserve, int32_t waiting)
{
    if (waiting < RESERVE_BELOW && atomic_load(&reserve->parked) > 0)
        reserve_call(reserve, RESERVE_CALL);
}

bool reserve_join(struct reserve *reserve, bool may_park)
{
    if (atomic_fetch_add(&reserve->waiting, 1) < RESERVE_ABOVE || !may_park)
        return true;
    (void)atomic_fetch_add(&reserve->parked, 1);
    call_if_few(reserve, atomic_fetch_sub(&reserve->waiting, 1) - 1);
    return false;
}

// Woken without a call: the master saw need of it, or a call was taken by one who had not slept
// yet.
static int join_uncalled(struct reserve *reserve)
{
    (void)take(&reserve->parked, 1);
    (void)atomic_fetch_add(&reserve->waiting, 1);
    return 0;
}

int reserve_wait(struct reserve *reserve, const volatile sig_atomic_t *stopping)
{
    bool is_woken = false;

    for (;;) {
        uint32_t turn = atomic_load(&reserve->turn);

        if (take_call(reserve))
            return 0;
        if (*stopping) {
            (void)take(&reserve->parked, 1);
            return -EINTR;
        }
        if (is_woken)
            return join_uncalled(reserve);
        is_woken = futex(reserve, FUTEX_WAIT, turn) == 0;
    }
}

void reserve_interrupt(struct reserve *reserve)
{
    // A wait that is about to begin, or begins anew after the signal, ends at once.
    (void)atomic_fetch_add(&reserve->turn, 1);
}

int32_t reserve_idle(const struct reserve *reserve)
{
    return atomic_load_explicit(&reserve->waiting, memory_order_relaxed) +
           atomic_load_explicit(&reserve->parked, memory_order_relaxed);
}

int32_t reserve_leave(struct reserve *reserve)
{
    int32_t waiting = atomic_fetch_sub(&reserve->waiting, 1) - 1;

    call_if_few(reserve, waiting);
    return waiting + atomic_load_explicit(&reserve->parked, memory_order_relaxed);
}

void reserve_wake(struct reserve *reserve, unsigned n)
{
    (void)futex(reserve, FUTEX_WAKE, n);
}

void reserve_lose(struct reserve *reserve)
{
    (void)take(&reserve->parked, 1);
}

static void correct(_Atomic int32_t *count, int32_t *drift, int32_t seen)
{
    int32_t before = *drift, off = seen - atomic_load(count), lasting = 0;

    if (before > 0 && off > 0)
        lasting = before < off ? before : off;
    else if (before < 0 && off < 0)
        lasting = before > off ? before : off;
    (void)atomic_fetch_add(count, lasting);
    *drift = off - lasting;
}

void reserve_correct(struct reserve *reserve, struct reserve_drift *drift, int32_t waiting,
                     int32_t parked)
{
    correct(&reserve->waiting, &drift->waiting, waiting);
    correct(&reserve->parked, &drift->parked, parked);
    if (parked == 0)
        atomic_store(&reserve->calls, 0); // made for workers that were killed
}
