// SPDX-License-Identifier: MIT
// What code that was not meant to serve may try: attacks on the master, on other services and on
// its own listener, each by a name. A module and a program do as a client says:
//     NAME MASTER VICTIM WHERE
// and answer a line "STEP ok" or "STEP ERRNO" for each thing that they try, then "done".
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct target {
    pid_t master;
    pid_t victim;      // a worker of another service, which has a session
    const char *where; // a path or a number, where the attack wants one
    void (*say)(void *to, const char *text, size_t length);
    void (*log)(void *to, const char *text); // NULL: it has no part in tcpd's log
    void *to;
};

struct attack {
    const char *name; // NULL: the table's end
    void (*run)(const struct target *target, int what);
    int what;
};

extern const struct attack attacks_on_memory[], attacks_by_signals[], attacks_on_listener[],
    attacks_by_words[], attacks_on_system[];

// Tells how a step went: result < 0 is errno's error.
void tell(const struct target *target, const char *name, long result);
// The attack of a client's line.
void hostile_run(const char *line, struct target *target);
// The lowest descriptor from `from` on that is wanted, -1 when there is none.
int find_fd(int from, bool (*is_wanted)(int fd));
bool is_listener(int fd);
// True for a second from the first call with *begin = 0 on.
bool is_time_left(long *begin);
