// SPDX-License-Identifier: MIT
// cmocka, and checks that name the row of the table that fails. A check that fails ends its test.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h> // after the four it builds on

#include "base/base.h"

#define SLACK_MS  1500 // what a loaded machine may add to a time that is taken again if it was late
#define LOOSE_MS  3000 // and to another
#define MAX_TRIES 100  // of a row that tells nothing, as the machine was late

#define check_true(row, condition)                         \
    do {                                                   \
        if (!(condition))                                  \
            fail_msg("%s: not true: %s", row, #condition); \
    } while (0)

#define check_number(row, got, want)                                    \
    do {                                                                \
        intmax_t got_ = (intmax_t)(got), want_ = (intmax_t)(want);      \
        if (got_ != want_)                                              \
            fail_msg("%s: %s is %jd, not %jd", row, #got, got_, want_); \
    } while (0)

#define check_text(row, got, want)                                                      \
    do {                                                                                \
        const char *got_ = (got), *want_ = (want);                                      \
        if (!got_ || !want_ ? got_ != want_ : strcmp(got_, want_) != 0)                 \
            fail_msg("%s: %s is \"%s\", not \"%s\"", row, #got, got_ ? got_ : "(null)", \
                     want_ ? want_ : "(null)");                                         \
    } while (0)

static inline void count_try(const char *row, unsigned *n_tries)
{
    if (++*n_tries == MAX_TRIES)
        fail_msg("%s: the machine was late each of %u times", row, *n_tries);
}

// A kernel timer counts the ticks of a clock that lags behind after a virtual machine stood still.
#define TICK_MS 5

static inline bool is_in_time(uint64_t start_usec, uint64_t at_least_ms, uint64_t at_most_ms)
{
    uint64_t usec = base_now_usec() - start_usec;

    return usec + TICK_MS * USEC_PER_MSEC >= at_least_ms * USEC_PER_MSEC &&
           usec <= at_most_ms * USEC_PER_MSEC;
}

// A time measured: not shorter than at_least_ms, but for a tick; longer by what a loaded machine
// adds.
static inline void check_elapsed(const char *row, uint64_t start_usec, uint64_t at_least_ms,
                                 uint64_t at_most_ms)
{
    uint64_t usec = base_now_usec() - start_usec;

    if (!is_in_time(start_usec, at_least_ms, at_most_ms))
        fail_msg("%s: took %ju us, not %ju to %ju ms", row, (uintmax_t)usec, (uintmax_t)at_least_ms,
                 (uintmax_t)at_most_ms);
}

// The processor time that this process has used: what others take of a machine is not in it.
static inline uint64_t used_usec(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * USEC_PER_SEC + (uint64_t)now.tv_nsec / 1000;
}

// Bytes of any value; names the first that differs.
static inline void check_bytes(const char *row, const void *got, size_t n_got, const void *want,
                               size_t n_want)
{
    size_t n = n_got < n_want ? n_got : n_want;

    for (size_t i = 0; i < n; i++)
        if (((const uint8_t *)got)[i] != ((const uint8_t *)want)[i])
            fail_msg("%s: byte %zu is 0x%02x, not 0x%02x", row, i, ((const uint8_t *)got)[i],
                     ((const uint8_t *)want)[i]);
    check_number(row, n_got, n_want);
}
