// SPDX-License-Identifier: MIT
// How many session records there may be, so that neither a noisy client nor many fill the log or
// the journal's queue. Two bounds: records of one source in a period, and records of all a second.
// Counted by workers in their pool's hint page, given anew by the master each period. Sources that
// share a counter by chance share its quota. As gossip it decides about log records and nothing
// else.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define LOG_QUOTA         100 // records of one source in a period
#define LOG_QUOTA_SOURCES 1024

// Records that were not written, by cause.
enum log_loss {
    LOG_LOSS_SOURCE, // its client had enough
    LOG_LOSS_RATE,   // too many a second
    LOG_LOSS_READER, // who reads the log did not keep up
    LOG_LOSS_WORKER, // their worker died, and the page had no more of them
    LOG_LOSSES,
};

// "source", "rate", "reader", "worker".
extern const char *const log_loss_names[LOG_LOSSES];

struct log_quota {
    _Atomic uint64_t paid_nsec; // the records so far are paid for at this time
    _Atomic uint32_t losses[LOG_LOSSES];
    _Atomic uint16_t sources[LOG_QUOTA_SOURCES];
};

// Which of LOG_QUOTA_SOURCES counters is that of this peer: of an IPv4 address, an IPv6 /64, all of
// a unix socket.
unsigned log_quota_source(const struct sockaddr *peer);

// A worker asks for one record about this peer: an IPv4 address, an IPv6 /64, all of a unix socket.
bool log_quota_take(struct log_quota *quota, const struct sockaddr *peer);

// A worker asks for n records of `rate` a second, 0: no bound. A second's worth may come at once; a
// quarter of it is for urgent ones only. True: all n may be written. Else nothing is taken or
// counted.
bool log_quota_take_rate(struct log_quota *quota, unsigned rate, unsigned n, bool urgent,
                         uint64_t now_usec);

void log_quota_count(struct log_quota *quota, enum log_loss cause, unsigned n);

// The master begins a period. What was lost in the one before.
void log_quota_renew(struct log_quota *quota, uint64_t now_usec, uint32_t ret_losses[LOG_LOSSES]);
