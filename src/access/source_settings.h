// SPDX-License-Identifier: MIT
// What a service says of its sources: how many connections one may have, how often, and what it
// pays for an offence. All of it is off by default.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "access/access.h"
#include "access/source_table.h"
#include "base/rate.h"

enum source_offence {
    SOURCE_CRASH,    // of the worker that served it
    SOURCE_PROTOCOL, // it broke its protocol
    SOURCE_TIMEOUT,  // it was silent, or took nothing
    SOURCE_REFUSED,  // it came all the same, though it had too many connections
    SOURCE_OFFENCES
};

enum source_overflow { SOURCE_OVERFLOW_ALLOW, SOURCE_OVERFLOW_REFUSE, SOURCE_OVERFLOWS };

struct source_settings {
    unsigned connections; // 0: any number
    struct rate rate;
    unsigned burst; // 0: as many as come in a second
    unsigned prefix4, prefix6;
    struct rule_list exempt;
    struct ranges *exempt_ranges; // of that list; NULL: nobody is exempt
    int overflow;                 // enum source_overflow
    unsigned table;               // entries; 0: by max_workers
    int dry_run;
    uint64_t penalties_usec[SOURCE_OFFENCES];
    uint64_t penalty_min_usec, penalty_max_usec;
};

// Whether sources are counted at all.
bool source_settings_are_on(const struct source_settings *settings);
// Entries that its table should have.
uint32_t source_settings_entries(const struct source_settings *settings, unsigned max_workers);
struct source_limits source_settings_limits(const struct source_settings *settings);
struct source_lengths source_settings_lengths(const struct source_settings *settings);

// Makes ranges of the exempt, which are read already; and frees them.
void source_settings_settle(struct source_settings *settings);
void source_settings_done(struct source_settings *settings);

// Which source a client is of. False: of none, as it is exempt, or nobody knows who it is. uid: of
// a client of a unix socket.
bool source_settings_key(const struct source_settings *settings, const struct sockaddr *client,
                         uint32_t uid, struct source_key *ret);

// "192.0.2.7", "2001:db8:1:2::/64", "fe80::1 on interface 3", "user 1000". Returns text.
#define SOURCE_TEXT_MAX (PREFIX_TEXT_MAX + 24)
const char *source_format(const struct source_key *key, char *text, size_t size);
