// SPDX-License-Identifier: MIT
// The few things every module uses: units of time, clean-up of local resources, small helpers.
// Nothing here allocates, blocks or logs.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

// All times are microseconds (`_usec`) of CLOCK_MONOTONIC unless a name says otherwise.
#define USEC_PER_MSEC UINT64_C(1000)
#define USEC_PER_SEC  UINT64_C(1000000)
#define USEC_NEVER    UINT64_MAX

// For texts: printf("%u worker%s", n, PLURAL(n)).
#define PLURAL(n) ((n) == 1 ? "" : "s")

#define ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

// For a static struct that a worker writes before its first session: the compiler would align it to
// 32 bytes, and the linker, which sorts by that, put it away from the small variables, whose page
// is written anyway.
#define WITH_SMALL_ONES _Alignas(void *)

// Attributes for locals: released on every way out of the block.
#define cleanup_close __attribute__((cleanup(base_close_fd)))
#define cleanup_free  __attribute__((cleanup(base_free)))

// Closes *fd unless it is -1 (the empty value), which it is then.
static inline void base_close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd); // nothing useful can be done when close fails
    *fd = -1;
}

// Frees the block that *pointer, a pointer of any type, points to.
static inline void base_free(void *pointer)
{
    free(*(void **)pointer);
}

// Without memory a process ends, which only a start or a child that checks something may.
__attribute__((noreturn)) static inline void base_out_of_memory(void)
{
    (void)!write(STDERR_FILENO, "out of memory\n", sizeof("out of memory\n") - 1);
    _exit(EX_OSERR);
}

// What was allocated.
static inline void *base_checked(void *pointer)
{
    if (!pointer)
        base_out_of_memory();
    return pointer;
}

// Takes the descriptor out of *fd, which becomes -1: hands ownership over explicitly.
static inline int base_take_fd(int *fd)
{
    int taken = *fd;

    *fd = -1;
    return taken;
}

static inline uint64_t base_now_usec(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now); // cannot fail with this clock
    return (uint64_t)now.tv_sec * USEC_PER_SEC + (uint64_t)now.tv_nsec / 1000;
}

static inline struct timespec base_timespec(uint64_t usec)
{
    return (struct timespec){.tv_sec = (time_t)(usec / USEC_PER_SEC),
                             .tv_nsec = (long)(usec % USEC_PER_SEC) * 1000};
}
