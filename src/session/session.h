// SPDX-License-Identifier: MIT
// One accepted connection: its deadlines, exact reading and writing, and a close that does not
// destroy the answer in flight. A peer's misbehaviour ends its session and nothing else.
// What handlers call is declared in tcpd/handler.h. RFC 9293 (TCP), socket(7), tcp(7).
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "base/address.h"
#include "base/base.h"
#include "base/proxy_header.h"
#include "board/recent.h"
#include "board/score_counts.h"
#include "board/score_session.h"
#include "config/config.h"
#include "tcpd/handler.h"
#include "transport/stage.h"

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
    SESSION_PROGRAM_TIMEOUT,
    SESSION_PROGRAM_FAILED,
    SESSION_STOPPED,
    SESSION_HANDSHAKE_TIMEOUT,
    SESSION_REFUSED, // a stage did
    SESSION_TLS_FAILED,
    SESSION_KICKED, // an administrator has ended it
    SESSION_RESULTS,
};

extern const char *const session_result_names[SESSION_RESULTS];

// How a session's program ended, for the log.
struct session_program {
    bool ended; // else it had none, or it did not run
    int status; // as wait(2) has it
    uint64_t cpu_usec, memory_kib;
    uint64_t timeout_usec; // how long it may take, as it is set
};

struct tcpd_session {
    int fd;
    const struct service *service;
    struct stage *stage;         // between the session and its socket, NULL: none
    struct score_counts *counts; // of the worker, for all its sessions; NULL: nobody counts
    struct score_session *live;  // of the worker, what it tells of this one; NULL: nothing
    struct recent *recent;       // its last sessions
    uint64_t number;             // of the worker's sessions
    union {
        struct sockaddr any;
        struct sockaddr_storage storage;
    } peer; // whom it is for. From accept4(), never from getpeername(), which fails after a reset;
            // or from a header
    socklen_t peer_length;
    const struct proxy_header *header; // that its sender has sent, NULL: none
    struct address sender;             // of a header: who is at the other end of the socket
    struct address destination;        // whereto the client has connected; length 0: to the socket
    enum proxy_kind proxy_kind;        // of a header: what it came to
    uint64_t started_usec, ended_usec;
    uint64_t wait_usec, reply_usec; // in the queue, to the first byte sent; USEC_NEVER: not known
    uint64_t ready_usec;            // when the first byte could come: at once, or behind a header
    uint64_t deadline_usec;         // of the whole session, USEC_NEVER
    uint64_t message_deadline_usec; // of the message being read, USEC_NEVER
    uint64_t receive_armed_usec;    // what SO_RCVTIMEO is set to, 0: nothing
    uint64_t send_armed_usec;       // what SO_SNDTIMEO is set to, 0: nothing
    uint64_t stage_due_usec;        // when what a stage waits for must be over
    uint64_t bytes_in, bytes_out;   // of the handler's, whatever a stage makes of them
    const uint8_t *ahead;           // n_ahead bytes that were read and not asked for yet
    size_t n_ahead;
    unsigned n_turns; // in and out of tcpd_*() functions; odd: in one
    struct session_program program;
    enum session_result result;
    bool is_unix;           // the socket; its peer may be another's
    bool needs_header;      // its peer is a sender (access.h)
    bool speaks_for_itself; // the sender of a header: there is no client
    bool peer_ended;        // its end of input was read
    bool has_last;          // what was read last ends a message, if the session has such
    bool is_logged;         // session_log.c: has a record of its start
    bool is_run;     // of a program that takes its clients by itself: its socket is the listener
    bool owes;       // input was taken since the last output
    bool is_ticking; // signals come now and then, and must not prolong what is waited for
};

// Starts a session on a connected socket, which it owns from now on; peer, peer_length, stage and
// counts are already set. No system call.
void session_init(struct tcpd_session *session, int fd, const struct service *service);

// What its stages have to say first, within handshake_timeout. False: there is nothing to serve.
bool session_begin(struct tcpd_session *session);

// In and out of a function that comes to the client.
static inline void session_enter(struct tcpd_session *session, enum score_doing doing)
{
    session->n_turns++;
    if (session->live)
        score_turn(session->live, doing, session->n_turns);
}

static inline void session_leave(struct tcpd_session *session)
{
    session_enter(session, DOING_WORKING);
}

static inline void session_note_end(struct tcpd_session *session, bool has_ended)
{
    session->peer_ended = has_ended;
    if (session->live && has_ended)
        score_peer_ended(session->live);
}

// Bytes that have come for the handler, or have left from it.
static inline void session_count_in(struct tcpd_session *session, uint64_t n)
{
    session->bytes_in += n;
    if (session->counts)
        score_add(&session->counts->received, n);
}

static inline void session_count_out(struct tcpd_session *session, uint64_t n)
{
    if (session->counts && session->bytes_out == 0 && n > 0) {
        session->reply_usec = base_now_usec() - session->started_usec;
        score_observe(&session->counts->reply, session->reply_usec, 1);
    }
    session->bytes_out += n;
    if (session->counts)
        score_add(&session->counts->sent, n);
}

// Our end of the socket, as tcpd_local() says it of a client that came by itself.
int session_own_address(const struct tcpd_session *session, struct sockaddr_storage *ret,
                        socklen_t *ret_length);

// Whether it is one datagram and the answer to it.
bool session_is_datagram(const struct tcpd_session *session);

// Ends the session with a result; reading and writing fail from now on.
void session_stop(struct tcpd_session *session, enum session_result result);

// --- For tcpd_*() functions ---
// Where bytes come from or go to on our side: memory, or a pipe if that is not -1.
struct session_place {
    uint8_t *data;
    int pipe;
    int flags;    // of recv()
    bool is_part; // an empty message counts, too
};
// As tcpd_read(), past what was read ahead.
ssize_t session_receive(struct tcpd_session *session, const struct session_place *to, size_t size);
// Ends the session with what an error number of recv() or send() means for it; -1.
int session_stop_by_errno(struct tcpd_session *session, int error);

// --- For who polls the socket himself, and reads and writes what is there ---
// As recv(2) and send(2) that do not block.
ssize_t session_take_now(struct tcpd_session *session, void *data, size_t size);
ssize_t session_give_now(struct tcpd_session *session, const void *data, size_t size);
// Ends our output; of a stage the last words are those of the session's result. False: the socket
// takes no more now, and it is to be called again; or the session has ended.
bool session_end_output(struct tcpd_session *session);

// The socket of a session as the lower end of its stages; the cookie is the session.
struct stage_end session_socket(struct tcpd_session *session);

// Signs of life of the handler that n_turns does not show: calls that did not come to the socket.
void session_sign(void);
unsigned session_signs(void); // how many, modulo 2^32; async-signal-safe

// Before session_init(): nobody serves the client. A reset; or with text (NULL: none) that one, if
// it can be sent at once and there is room to wait for the client to read it. Never blocks.
void session_refuse(int fd, const char *text);

// Ends the connection: shuts down writing and keeps the socket aside until the peer has ended, too
// (linger.h), not beyond the session's deadline. After a send timeout, a reset.
void session_close(struct tcpd_session *session);
