// SPDX-License-Identifier: MIT
// The bytes of a session to and from another socket, both ways at once. In steps: the caller
// polls, so that it can look after more than these two sockets. The end of either's output is
// passed on when all before it was delivered; the far end's 100 ms later where no byte went either
// way, so that the caller can find out before whether a program has failed. A client that is gone
// leaves what it has sent, which is delivered, as is the end behind it; what the far end writes
// then fails. A far end that reads no more ends its direction only, and what the client still sends
// is dropped. Logs nothing.
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "session/session.h"

enum relay_end { RELAY_CLIENT, RELAY_FAR, RELAY_ENDS };

// From one end to the other.
struct relay_way {
    size_t start, n; // the bytes of its buffer that were taken and not given yet
    bool has_ended;  // nothing more comes
    bool is_dropped; // nobody takes it
    bool is_over;    // the end was passed on
};

struct relay {
    struct tcpd_session *session;
    int fds[RELAY_ENDS];
    struct relay_way ways[RELAY_ENDS]; // by the end where they begin
    uint64_t moved_usec;               // when the last byte went in or out
    uint64_t stop_usec;                // when tcpd was first seen to stop, 0: it does not
    uint64_t send_due_usec;            // when the client must have taken what is held for it
    uint64_t end_due_usec;             // when the far end's end is passed on, come what may
    int far_error;                     // what ended the session at the far end, 0: nothing did
    int client_error;                  // by which the client is gone, 0: it is not
    bool has_messages;                 // each is one read and one write, at most 64 KiB
    bool is_owed;                      // the client has sent something since the far end has
    bool has_far_spoken;               // a byte at least
    bool is_far_closed;                // which neither reads nor writes any more
    bool has_hung_up;                  // the client, both ways; that alone is not an error
};

// Begins. far is a connected socket of the session's type; it and the session stay the caller's.
// Both become O_NONBLOCK. Until relay_close() the session's socket is the relay's. A process has
// one relay at a time.
void relay_open(struct relay *relay, struct tcpd_session *session, int far);

// What to wait for; an fd that is -1 is not waited for.
void relay_wants(const struct relay *relay, struct pollfd ret_fds[RELAY_ENDS]);

// Until when; USEC_NEVER. What is due then is found by relay_step().
uint64_t relay_due(const struct relay *relay);

// Moves what can be moved, 512 KiB each way at most. fds: as relay_wants() gave them and poll()
// filled them in; NULL: tries all. True when both ways are over or the session has ended, by an
// error of the far end or by a deadline: see its result. The client's deadlines run while it is to
// send or to take something: not behind its end, nor while the far end owes an answer or is closed.
// Where nothing is owed, nor held, a stop has one of its own: process_idle_usec().
// Does not block.
bool relay_step(struct relay *relay, const struct pollfd *fds);

// How many bytes of the client's the far end has not read yet, or somewhat more.
uint64_t relay_unread(const struct relay *relay);

// The program at the far end has died: delivers what it has written so far, whoever else holds that
// socket. Blocks for send_timeout and the session's deadline at most.
void relay_finish(struct relay *relay);

// Ends writing, as the session's result says.
void relay_end(struct relay *relay);

// Ends it; the session's socket blocks again. The far end's stays as it is.
void relay_close(struct relay *relay);
