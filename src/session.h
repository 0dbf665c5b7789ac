// SPDX-License-Identifier: MIT
// One accepted connection: its deadlines, exact reading and writing, and a close that does not
// destroy the answer in flight. A peer's misbehaviour ends its session and nothing else.
// Handlers use the functions from session_read() to session_stop(); worker.c the others.
// RFC 9293 (TCP), socket(7), tcp(7).
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "config.h"

// Why a session ended; session_result_names has the words for the log.
enum session_result {
    SESSION_OK,
    SESSION_FIRST_BYTE_TIMEOUT,
    SESSION_IDLE_TIMEOUT,
    SESSION_SEND_TIMEOUT,
    SESSION_TIMEOUT,
    SESSION_RESET,
    SESSION_PEER_LOST,
    SESSION_PROTOCOL_ERROR,
    SESSION_FAILED,
    SESSION_RESULTS,
};

extern const char *const session_result_names[SESSION_RESULTS];

#define SESSION_BUFFER_SIZE (64 * 1024)

struct session {
    int fd;
    const struct service *service;
    union {
        struct sockaddr any;
        struct sockaddr_storage storage;
    } peer; // from accept4(), never from getpeername(), which fails after a reset
    socklen_t peer_length;
    uint64_t started_usec;
    uint64_t deadline_usec;         // of the whole session, USEC_NEVER
    uint64_t message_deadline_usec; // of the message being read, USEC_NEVER
    uint64_t receive_armed_usec;    // what SO_RCVTIMEO is set to, 0: nothing
    uint64_t send_armed_usec;       // what SO_SNDTIMEO is set to, 0: nothing
    uint64_t bytes_in, bytes_out;
    enum session_result result;
    bool peer_ended; // its end of input was read
    bool is_logged;  // session_log.c: has a record of its start
};

// Starts a session on a connected socket, which it owns from now on; peer and peer_length are
// already set. No system call.
void session_init(struct session *session, int fd, const struct service *service);

// Reads at most size bytes. Blocks until there is at least one, the peer's end of input, or a
// deadline. > 0: bytes; 0: end of input; -1: the session has ended, its result says why.
ssize_t session_read(struct session *session, void *buffer, size_t size);

// As session_read(), but the bytes are dropped.
ssize_t session_discard(struct session *session);

// Drops what the peer has sent so far without waiting. True when its end of input or an error was
// met.
bool session_discard_pending(struct session *session);

// Writes all of data, one send() where the kernel has room. Blocks until the kernel has taken it or
// a deadline. 0, or -1: the session has ended, its result says why.
int session_write(struct session *session, const void *data, size_t size);

// As session_read() and session_write(), without copying: between the peer and an empty pipe of
// at least size bytes, splice(2). What was written to the pipe must be read from it at once.
ssize_t session_splice_read(struct session *session, int pipe, size_t size);
int session_splice_write(struct session *session, int pipe, size_t size);

// From now on idle_timeout bounds the reading of one whole message instead of each read, so that
// a byte now and then does not keep a worker. Called before each message.
void session_expect_message(struct session *session);

// Waits for that long, or the session's deadline. 0, or -1: the deadline came first.
int session_pause(struct session *session, uint64_t usec);

// Ends the session with a result; reading and writing fail from now on.
void session_stop(struct session *session, enum session_result result);

// A worker's one buffer, SESSION_BUFFER_SIZE bytes; its pages are touched by those who use it.
uint8_t *session_buffer(void);

// Ends the connection: shuts down writing, drops what the peer still sends (2 s of silence, 30 s in
// all), closes. After a send timeout, a reset.
void session_close(struct session *session);
