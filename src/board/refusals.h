// SPDX-License-Identifier: MIT
// Why a client is refused, and how many were in a period: counted by workers in their pool's hint
// page, so that the master can say it in one line, and a flood of clients writes no flood of
// records. As gossip it decides about log records and nothing else.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define REFUSALS_SAID    20 // records of a pool in a period
#define REFUSALS_SOURCES 1024

enum refusal {
    REFUSAL_NONE, // it is served
    REFUSAL_RULE, // by allow or deny
    REFUSAL_PENALTY,
    REFUSAL_CONNECTIONS, // of its source
    REFUSAL_RATE,
    REFUSAL_OVERFLOW, // nobody could count it
    REFUSALS_TRUE,
    // Noted as well, but served:
    REFUSAL_DRY_RUN = REFUSALS_TRUE, // it would have been refused
    REFUSAL_UNCOUNTED,               // as overflow is allowed
    REFUSALS,
};

// As records and the status have them; NULL for REFUSAL_NONE.
extern const char *const refusal_names[REFUSALS];

struct refusals {
    _Atomic uint32_t n[REFUSALS];
    _Atomic uint32_t n_said;                         // of these: with a record
    _Atomic uint32_t sources[REFUSALS_SOURCES / 32]; // a bit for each that had one
};

// A worker has refused a client. all: each may have a record; else the first of its source and some
// of the pool. True: this one has.
bool refusals_take(struct refusals *refusals, enum refusal refusal, const struct sockaddr *client,
                   bool all);

// The master begins a period. Of the one before: how many, and how many of these had a record.
uint32_t refusals_renew(struct refusals *refusals, uint32_t ret_n[REFUSALS]);
