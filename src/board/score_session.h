// SPDX-License-Identifier: MIT
// What a worker tells of the session in hand, in its own page. Its number, and what had been
// counted before it, are written under the page's sequence; the rest are plain stores, read one by
// one.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum score_doing {
    DOING_NOTHING,
    DOING_OPENING, // a header or a handshake is under way
    DOING_READING,
    DOING_WRITING,
    DOING_WORKING, // its handler or program is
    DOING_CLOSING,
    DOINGS
};

struct score_session {
    uint64_t number; // of the worker's sessions, which it counts from 1; 0: none has begun
    uint64_t received_before, sent_before; // bytes, of all the others
    uint32_t turns;                        // calls that came to the client, and their returns
    uint8_t doing;                         // enum score_doing, which a reader has to check
    uint8_t peer_ended;
};

// The same for a reader, within its ranges.
struct score_live {
    uint64_t number, received, sent, turns; // turns: calls
    enum score_doing doing;
    bool peer_ended;
};

// --- The worker's ---
static inline void score_do(struct score_session *session, enum score_doing doing)
{
    __atomic_store_n(&session->doing, (uint8_t)doing, __ATOMIC_RELAXED);
}

static inline void score_turn(struct score_session *session, enum score_doing doing, uint32_t turns)
{
    __atomic_store_n(&session->turns, turns, __ATOMIC_RELAXED);
    score_do(session, doing);
}

static inline void score_peer_ended(struct score_session *session)
{
    __atomic_store_n(&session->peer_ended, 1, __ATOMIC_RELAXED);
}
