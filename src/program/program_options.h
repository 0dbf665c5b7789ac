// SPDX-License-Identifier: MIT
// How a service's program is run: what handler "program" reads from tcpd.conf.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "config/config.h"
#include "config/form.h"

enum program_mode {
    PROGRAM_CONNECTION,
    PROGRAM_PRESTART,
    PROGRAM_WAIT,
    PROGRAM_LISTENER,
    PROGRAM_MODES
};

// Whom we end: a program and all it has started, the program alone, or nobody. systemd.kill(5).
enum kill_mode { KILL_GROUP, KILL_PROGRAM, KILL_NONE, KILL_MODES };

// Who a program runs as.
struct identity {
    char *user, *group; // as written, NULL: not given
    bool changes;       // else as tcpd runs
    uid_t uid;
    gid_t gid;
    gid_t *groups; // owned here
    size_t n_groups;
    struct text_list login; // HOME, LOGNAME, SHELL and USER of whoever it is; owned here
};

struct program_options {
    struct text_list argv;
    enum program_mode mode;
    struct text_list environment_files;
    struct text_list environment; // as it is written: NAME=VALUE, or a word
    struct text_list variables;   // those of the files, then of these; the check's, owned here
    bool inherits_environment;    // tcpd's own comes before, else little of it
    struct text_list success;     // ends that are none to complain of
    char *directory;              // NULL: as tcpd's
    int64_t umask, nice;          // or INHERIT
    int64_t limit_nofile, limit_as, limit_core, limit_nproc; // or INHERIT, RLIM_INFINITY
    uint64_t limit_cpu_usec;                                 // 0: as tcpd's
    uint64_t timeout_usec;                                   // of a session or run, 0: none
    enum kill_mode kill_mode;
    uint64_t kill_grace_usec; // to finish, and between TERM and KILL
    uint64_t ready_usec;      // of a copy, 0: at once
    struct identity identity;
};

extern const struct form program_form;

// The options of a service whose handler is "program".
const struct program_options *program_options(const struct service *service);
// Frees what the check has found out.
void program_options_release(void *options);

// The file that is executed, and its arguments, the first of which is its name: the file's, or, of
// {"@FILE", "NAME", ...}, what stands there. The program must be configured.
const char *program_file(const struct program_options *program);
char *const *program_arguments(const struct program_options *program);

// An entry of `success_status` as wait(2) has it; -1: it is none.
int program_parse_end(const char *text);
// Whether a program that has ended so, as wait(2) has it, has done well.
bool program_is_success(const struct program_options *program, int status);
