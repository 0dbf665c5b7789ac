// SPDX-License-Identifier: MIT
// What an import asks of this machine, as `tcpd -t` will: an entry that would be refused here is
// written as a comment. A table of functions, so that a test can be another world.
#pragma once

#include <stdbool.h>

struct world {
    // The port of that name, of sockets of that type; 0: there is none.
    unsigned (*port)(const char *name, int type);
    // Whether an address can be looked up.
    bool (*has_host)(const char *host);
    // Each an owned text of what is wrong with it; NULL: nothing. user and group: NULL if not
    // given.
    char *(*refuse_user)(const char *user, const char *group);
    char *(*refuse_program)(const char *path, const char *user, const char *group);
    // Whether TCP wrappers have rules, by which libwrap refuses clients.
    bool (*has_wrappers)(void);
    // Whether programs can have that limit of setrlimit(2), or that priority.
    bool (*can_limit)(int resource, unsigned long long value);
    bool (*can_nice)(int nice);
};

extern const struct world world_here;
