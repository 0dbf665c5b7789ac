// SPDX-License-Identifier: MIT
// What the parts of the check share. Each says what cannot be, and why, in terms of what was
// written.
#pragma once

#include "config/section.h"
#include "program/program_options.h"

struct check {
    struct service *service;
    struct program_options *options;
    const struct section *section;
    struct problems *problems;
};

// Adds "SETTING = VALUE of service ...: WHAT" at the line of the setting, or the section's end, to
// problems: those of the check, or the service's own. value NULL: without one.
void program_refuse(const struct check *check, struct problems *problems, const char *setting,
                    const char *value, const char *what);

// program_executable.c. Whether the files are what exec(2) and chdir(2) take, with the rights of
// the user that the program runs as. What a sandbox keeps from tcpd leaves the service out.
void program_check_files(const struct check *check);

// program_variables.c. Checks the entries of `environment`, and puts those of the files before
// them.
void program_read_variables(const struct check *check);
// Whether the kernel takes so much.
void program_check_size(const struct check *check);
// Why a mode cannot have that variable of a peer; NULL: it can, or the variable is of nobody.
const char *program_why_no_peer(enum program_mode mode, const char *name, size_t length);

// program_user.c. Makes the process see files as that user does, until it is itself again. 0 or
// -errno: nothing has changed then.
struct borrowed {
    bool changed;
    uid_t uid;
    gid_t gid;
    gid_t *groups;
    int n_groups, death_signal;
};
int program_user_borrow(const struct identity *identity, struct borrowed *ret);
void program_user_return(struct borrowed *borrowed);
