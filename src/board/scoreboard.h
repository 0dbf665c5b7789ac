// SPDX-License-Identifier: MIT
// What workers tell of themselves: one page each in one memfd, written by that worker alone, mapped
// read-only by the master. Gossip: good for status and for sizing within limits that the master
// keeps in private memory, never trusted with a pid, an index, a pointer or a lock (B45).
// Besides it, one hint page a pool: an idle count that workers add to, so that the one who takes
// the last spare place can wake the master. It may drift or lie; the master counts for itself.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "board/datagram_losses.h"
#include "board/log_quota.h"
#include "board/recent.h"
#include "board/refusals.h"
#include "board/reserve.h"
#include "board/score_counts.h"

#define SCOREBOARD_SLOTS 65536 // workers of all pools and generations
#define SCOREBOARD_POOLS 1024
#define SCOREBOARD_PAGE  4096
#define SCOREBOARD_BYTES ((uint64_t)(SCOREBOARD_POOLS + SCOREBOARD_SLOTS) * SCOREBOARD_PAGE)

enum worker_state {
    WORKER_STARTING,
    WORKER_IDLE,
    WORKER_PARKED,
    WORKER_BUSY,
    WORKER_LEAVING,
    WORKER_STATES
};

// Where a worker's peer is, without a length or pointer.
struct score_peer {
    uint16_t family; // AF_INET, AF_INET6, AF_UNIX; 0: none
    uint16_t port;   // network byte order
    uint8_t ip[16];
};

// What a reader gets: a copy whose state and family are within range.
struct score {
    enum worker_state state;
    uint64_t since_usec; // when it entered that state
    uint64_t sessions;   // finished
    struct score_peer peer;
    struct score_peer sender; // through whom it came; family 0: through nobody
    uint32_t forbidden;       // the call that has ended it: sandbox_enter(); 0: none
};

struct score_page; // a worker's own page

struct pool_hint {
    struct reserve reserve; // the idle workers
    _Atomic int32_t spare;  // below this many idle ones the master wants to be woken; written by it
    _Atomic uint32_t armed; // 1: nobody has woken it yet
    struct log_quota quota; // of session records
    struct datagram_losses datagrams;
    struct refusals refusals;
};

struct scoreboard {
    int fd;
    const struct score_page *pages;
    struct pool_hint *hints; // one at the start of each page
};

// --- The master's side ---
// Makes the memory and maps it; the mappings are not inherited by fork, fd is. -errno on failure.
int scoreboard_open(struct scoreboard *board);
void scoreboard_close(struct scoreboard *board);
// Copies one page; a page that its worker keeps changing reads as STARTING without a peer.
struct score scoreboard_read(const struct scoreboard *board, unsigned slot);
// Adds what that worker has counted. No sum grows beyond SCORE_MAX.
void scoreboard_add_counts(const struct scoreboard *board, unsigned slot, struct score_counts *sum);
#define SCORE_MAX (UINT64_C(1) << 62)
enum worker_state scoreboard_state(const struct scoreboard *board, unsigned slot);
// That worker's last sessions.
const struct recent *scoreboard_recent(const struct scoreboard *board, unsigned slot);
// What a worker holds of its pool's source table, in the words of access/source_table.h.
const _Atomic uint64_t *scoreboard_held(const struct scoreboard *board, unsigned slot);
// Empties a page and gives its memory back; only after the worker was reaped.
void scoreboard_wipe(const struct scoreboard *board, unsigned slot);
struct pool_hint *scoreboard_hint(const struct scoreboard *board, unsigned pool);
// Before the master looks at the pages: from now on the first worker that finds fewer idle ones
// than `spare` wakes it (score_wakes() says so to that one), if `on`.
void hint_arm(struct pool_hint *hint, int32_t spare, bool on);

// --- A worker's side ---
// Maps the worker's own page and its pool's hint, nothing else. -errno on failure.
int scoreboard_join(int fd, unsigned slot, unsigned pool, struct score_page **ret_page,
                    struct pool_hint **ret_hint);
void score_idle(struct score_page *page, enum worker_state state, uint64_t now_usec);
void score_busy(struct score_page *page, uint64_t now_usec, const struct sockaddr *peer);
// Behind a proxy, whose header has come: whom it serves now, and through whom.
void score_client(struct score_page *page, const struct sockaddr *client,
                  const struct sockaddr *sender);
void score_done(struct score_page *page); // a session has ended
// What the worker counts, and it alone.
struct score_counts *score_counts(struct score_page *page);
struct recent *score_recent(struct score_page *page);
_Atomic uint64_t *score_held(struct score_page *page);
// Where a forbidden call is noted.
uint32_t *score_forbidden(struct score_page *page);
// After score_busy(), with the idle ones that are left: whether this worker is to wake the master.
bool score_wakes(struct pool_hint *hint, int32_t idle);
