// SPDX-License-Identifier: MIT
// An administrator ends one session: the master sends the worker SIGRTMIN with the session's
// number, and the worker compares it with that of the session in hand before it acts. So an order
// that comes late ends nobody else's.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum kick_how {
    KICK_CLOSE, // both ways are shut down: reading meets the end, writing fails
    KICK_RESET, // the client gets a reset
    KICK_KILL   // the worker kills itself
};

#define KICK_NUMBERS (UINT32_C(1) << 30) // the number is compared modulo that

// What comes with the signal.
static inline int session_kick_value(uint64_t number, enum kick_how how)
{
    return (int)((uint32_t)how << 30 | (uint32_t)(number % KICK_NUMBERS));
}

// --- The worker's ---
// Takes the signal. 0 or -errno.
int session_kick_open(void);
// From now on that session may be ended, whose socket is fd; no longer: before the socket is closed
// or goes to somebody else.
void session_kick_begin(int fd, uint64_t number);
void session_kick_end(void);
// Before the next one: nobody has ended it.
void session_kick_forget(void);
// Whether the session was ended so.
bool session_kick_has_come(void);
// The same, and the client is to get a reset.
bool session_kick_resets(void);
