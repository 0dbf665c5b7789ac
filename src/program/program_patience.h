// SPDX-License-Identifier: MIT
// How long is waited for what may still come: a program that cannot be started as the system is
// short of processes, memory or files (that passes, so its client waits, and its worker is none
// that fails); a program that has yet to read what its client has left it. In workers only.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "session/session.h"

enum { CLOSED = 7, CLOSE_WAIT, LAST_ACK, CLOSING = 11 }; // tcpi_state, as the kernel has it

// When the session must be over; *ret_result: what that would be.
uint64_t program_due(const struct tcpd_session *session, enum session_result *ret_result);

// Whether that, as program_start() gave it, may pass.
bool program_is_shortage(const struct service *service, int error);

// After a start for a client that is there, which failed with this error. True: it may pass, and
// this has blocked for a while, longer each time (100 ms, 200 ms ... 2 s). False: the session has
// ended, as it will not pass, the client is gone, or its time is over.
bool program_tries_again(struct tcpd_session *session, int error, unsigned *n_waits);

// What no event tells of is looked at now and then: a value, and since when it has not changed.
struct progress {
    uint64_t value, since_usec;
};

#define PROGRESS_LOOK_USEC (100 * USEC_PER_MSEC) // how often, where it is a matter of seconds

// Notes what the value is now.
void progress_note(struct progress *progress, uint64_t value, uint64_t now_usec);

// A client that is gone has left its program `unread` bytes. True: that it should read them, and
// end, was waited for long enough: idle_timeout while it reads none of them, kill_grace once it has
// read all; for ever with kill_mode = none. *reading begins as PROGRESS_NEW.
bool program_was_left_long_enough(const struct tcpd_session *session, struct progress *reading,
                                  uint64_t unread, uint64_t now_usec);
#define PROGRESS_NEW ((struct progress){.value = UINT64_MAX})

struct tcp_info; // of <linux/tcp.h>

// Whether the client has acknowledged that we, or the program, have ended: without that, what is
// closed was not closed in order.
bool program_end_is_acknowledged(const struct tcp_info *info);

// Whether the client's connection, of which poll(2) has said that, is no more: reset, or given up.
// POLLERR alone does not say so; where the program has taken the error, POLLHUP is all there is.
bool program_client_is_dead(const struct tcpd_session *session, int revents);
