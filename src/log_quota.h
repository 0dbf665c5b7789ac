// SPDX-License-Identifier: MIT
// How many session records one client may cause, so that a noisy one fills neither the log nor the
// journal's rate limit. Counted by workers in their pool's hint page, given anew by the master each
// period. Sources that share a counter by chance share its quota. As gossip it decides about log
// records and nothing else.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define LOG_QUOTA         100 // records of one source in a period
#define LOG_QUOTA_SOURCES 1024

struct log_quota {
    _Atomic uint32_t left_out; // records
    _Atomic uint16_t sources[LOG_QUOTA_SOURCES];
};

// A worker asks for one record about this peer: an IPv4 address, an IPv6 /64, all of a unix socket.
bool log_quota_take(struct log_quota *quota, const struct sockaddr *peer);

// The master begins a period. How many records were left out in the one before.
uint32_t log_quota_renew(struct log_quota *quota);
