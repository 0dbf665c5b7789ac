// SPDX-License-Identifier: MIT
// How long clients were in the kernel's queue before this worker accepted them.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/histogram.h"
#include "session/session.h"

struct accept_wait {
    uint64_t idle_usec;  // since then the worker waits, or has waited for its session
    uint64_t asked_usec; // when the kernel was last asked; 0: never
    uint64_t answer;     // its, USEC_NEVER: none
};

// Counts a session that was just accepted, before anything is sent to its client, and notes in it
// what is known. Where others are idle that costs nothing, as a rule; else a system call in each
// 250 us at most. Only TCP knows; of others nothing is counted.
void accept_wait_count(struct accept_wait *wait, struct tcpd_session *session, bool has_idle,
                       struct histogram *counts);
