// SPDX-License-Identifier: MIT
// Limits of the system that bound what a configuration asks for, by name and number: processes of
// the user, of the control group and those above it, of the system; descriptors, the size of files,
// the accept queue, memory. What cannot be read, as in a sandbox, is not checked. Reads files,
// changes and logs nothing.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "config/config.h"

enum limit_kind {
    LIMIT_USER_TASKS,
    LIMIT_GROUP_TASKS,
    LIMIT_SYSTEM_TASKS,
    LIMIT_PIDS,
    LIMIT_FILES,
    LIMIT_FILE_SIZE,
    LIMIT_BACKLOG,
    LIMIT_MEMORY,
    LIMIT_GROUP_MEMORY,
    LIMIT_KINDS,
};

struct system_limit {
    enum limit_kind kind;
    uint64_t value;  // memory in KiB, the size of files in bytes
    uint64_t others; // what of it others use; processes only
    char group[128]; // the control group
};

#define SYSTEM_LIMITS_MAX 32

// What a configuration asks for, of all pools together.
struct system_need {
    uint64_t min, max; // processes: idle workers, busy ones, and their programs
    uint64_t listeners;
    uint64_t backlog; // the longest
};

enum limit_verdict { LIMIT_ENOUGH, LIMIT_SHORT_OF_RELOAD, LIMIT_SHORT_OF_MAX, LIMIT_SHORT_OF_MIN };

// --- Pure: texts of /proc and /sys ---
// "max" or no number: false.
bool system_limits_number(const char *text, uint64_t *ret_number);
// The tasks of the system in the text of /proc/loadavg, 0: it does not tell.
uint64_t system_limits_tasks(const char *loadavg);
// MemAvailable of /proc/meminfo in KiB, and other "NAME: number" lines.
bool system_limits_line(const char *text, const char *name, int base, uint64_t *ret_number);
// The path of a controller's group in the text of /proc/self/cgroup; *ret_unified: in the one tree
// of version 2. False: none, or one that is outside of what is mounted here.
bool system_limits_group(const char *text, const char *controller, char *path, size_t size,
                         bool *ret_unified);
// What a limit means for a need, in words unless it is enough.
enum limit_verdict system_limits_judge(const struct system_limit *limit,
                                       const struct system_need *need, char *text, size_t size);

// --- From the system ---
struct system_need system_limits_need(const struct config *config);
// The limits there are, at most SYSTEM_LIMITS_MAX; n_own processes are tcpd's own.
size_t system_limits_read(unsigned n_own, struct system_limit *list);
// Adds what makes min_workers impossible to errors, anything less to warnings; they may be the
// same.
void system_limits_check(const struct config *config, const char *path, unsigned n_own,
                         struct problems *errors, struct problems *warnings);
// After a failed fork: which limit is used up, in words; or which there may be. Returns text.
const char *system_limits_explain(unsigned n_own, char *text, size_t size);
