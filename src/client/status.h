// SPDX-License-Identifier: MIT
// How tcpc ends: its exit statuses, and the one line on stderr that explains each failure. A part
// of the interface: scripts test these numbers, so they never change their meaning.
#pragma once

enum status {
    STATUS_DONE = 0,
    STATUS_SYSTEM = 1,      // the system refused something, here or at the standard streams
    STATUS_USAGE = 2,       // the command line is wrong
    STATUS_UNKNOWN = 3,     // no such host, service or unix path
    STATUS_REFUSED = 4,     // nobody listens there
    STATUS_TIMED_OUT = 5,   // the peer, or the way to it, did not answer in time
    STATUS_UNREACHABLE = 6, // no way to the host or its network
    STATUS_RESET = 7,       // the peer broke the connection off
    STATUS_CUT_SHORT = 8,   // the peer ended before all was said
    STATUS_TLS = 9,         // who the peer is, or what it says, cannot be trusted
};

// What the errno value error (positive or negative) means: its exit status, its words.
enum status status_of(int error);
const char *status_words(int error);

// What EKEYREJECTED is in words from now on.
void status_explain_tls(const char *why);

// Writes "tcpc: SUBJECT: WORDS" to stderr and returns the exit status for the errno value error.
enum status status_tell(const char *subject, int error);

// Writes "tcpc: " and the formatted text to stderr; returns status.
__attribute__((format(printf, 2, 3))) enum status status_say(enum status status, const char *format,
                                                             ...);
