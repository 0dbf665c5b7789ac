// SPDX-License-Identifier: MIT
// The last sessions of a worker, in its page: numbers alone, so that what it had yet to log is not
// lost with it, and so that they can be listed. The worker's word, as all of its page is: a reader
// copies a record, checks its ranges, and puts it into words of its own.
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#define RECENT_MAX     32         // how many are there
#define RECENT_UNKNOWN UINT32_MAX // of a time

struct recent_record {
    uint64_t end_realtime_usec; // since 1970
    uint64_t duration_usec;     // from accept() to the end
    uint64_t received, sent;    // bytes
    uint8_t ip[16];             // whom it was for, as struct score_peer has it
    uint32_t number;            // of the session, its low 32 bits
    uint32_t wait_usec;         // in the queue; RECENT_UNKNOWN: nobody was asked
    uint32_t reply_usec;        // from accept() to the first byte sent; RECENT_UNKNOWN: none was
    uint16_t port;              // network byte order
    uint8_t family;             // AF_INET, AF_INET6, AF_UNIX; 0: none
    uint8_t result;             // enum session_result, which a reader has to check
};

// A worker counts its sessions from 1. The record of session N is records[N % RECENT_MAX].
struct recent {
    uint64_t ended;  // the last one that has a record
    uint64_t logged; // up to this one the log has them, or needs none of them
    struct recent_record records[RECENT_MAX];
};

static_assert(sizeof(struct recent_record) == 64, "a cache line each");

// A time as a record has it.
static inline uint32_t recent_usec(uint64_t usec)
{
    return usec < RECENT_UNKNOWN ? (uint32_t)usec : RECENT_UNKNOWN - 1;
}

// --- The worker's ---
// Puts the record in as that of session `number`, which is the last one.
void recent_put(struct recent *recent, uint64_t number, const struct recent_record *record);
// Says up to which session the log has them.
void recent_set_logged(struct recent *recent, uint64_t number);

// --- For readers, of whom the worker may write meanwhile ---
uint64_t recent_ended(const struct recent *recent);
uint64_t recent_logged(const struct recent *recent);
// Copies the record of that session. False: it is not there, or not any more. The family is one of
// those above; result is as the worker wrote it.
bool recent_get(const struct recent *recent, uint64_t number, struct recent_record *ret);
