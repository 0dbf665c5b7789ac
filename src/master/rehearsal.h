// SPDX-License-Identifier: MIT
// A configuration is read and checked in a child first, at the start, at a reload and for `-t`
// alike. The child reads files, looks up names and users, looks at programs and tries modules: it
// may wait, run out of memory or crash. What it has learnt is handed over, base/answers.h, so that
// whoever asked for it reads the same bytes, and asks nobody.
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "config/config.h"

struct listener_set;

// What is to be checked. It must stay until the end.
struct rehearsal_plan {
    const struct config_source *source;
    unsigned n_workers; // there are already
    bool is_elsewhere;  // -t: limits of the system are those of another place, and only warned of
    bool leaves_out;    // a start: a mistake in one service does not keep others from serving
    // A check by the daemon that changes nothing: these are listened on, and addresses are looked
    // at beside them; a service that would be left out counts as wrong. NULL: not so. It may go
    // when the child was started.
    const struct listener_set *listening;
};

// What a check has found.
struct rehearsal_verdict {
    bool is_whole; // else it could not be made, and problems say why
    size_t n_services;
    struct problems problems, warnings;
};

struct rehearsal {
    pid_t pid;   // 0: none
    int answers; // the file
    bool ended;
    int status; // when it has ended: 0, one of sysexits.h, or -1: killed by `signal`
    int signal;
};

#define REHEARSAL_NONE ((struct rehearsal){.answers = -1})

// Starts the child. 0 or -errno.
int rehearsal_start(struct rehearsal *ret, const struct rehearsal_plan *plan);

// The child that is this one has ended, as waitid(2) has it.
void rehearsal_note_end(struct rehearsal *rehearsal, const siginfo_t *info);

// Waits for its end, and reaps it. Blocks. -ECANCELED: one of the signals came instead.
int rehearsal_wait(struct rehearsal *rehearsal, const sigset_t *signals);

// After its end: gives the configuration, which the caller owns, with the answers given
// (answers_give()) until the caller forgets them; or NULL with problems, and *ret_status is an
// exit status of sysexits.h. Warnings are texts, too. Where plan->leaves_out, services with
// problems are left out of it (config_left_out.h); there is one that is not, or it would be NULL.
struct config *rehearsal_take(const struct rehearsal *rehearsal, const struct rehearsal_plan *plan,
                              struct problems *problems, struct problems *warnings,
                              int *ret_status);

// After its end, of a check that changes nothing: tells what was found. Reads no configuration.
void rehearsal_judge(const struct rehearsal *rehearsal, const struct rehearsal_plan *plan,
                     struct rehearsal_verdict *ret);
void rehearsal_verdict_done(struct rehearsal_verdict *verdict);

// It has taken too long: adds a problem that says what it waits for.
void rehearsal_blame(const struct rehearsal *rehearsal, const struct rehearsal_plan *plan,
                     uint64_t limit_usec, struct problems *problems);

// Kills the child, if there is one still, which is the caller's to reap, and closes the rest.
void rehearsal_close(struct rehearsal *rehearsal);
