// SPDX-License-Identifier: MIT
// What serves a connection: the interface between tcpd and a handler, be it built in or a module
// (a shared object). See tcpd-handler(3).
//
// A worker is one process that serves one connection at a time, so a handler needs no locks and
// may keep what it likes in static variables. It may block in the functions below, which keep the
// service's deadlines, and nowhere else for long. It must not fork, start threads, change signal
// handlers or call exit(). All times are microseconds of CLOCK_MONOTONIC.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <syslog.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TCPD_HANDLER_ABI 2
#define TCPD_BUFFER_SIZE (64 * 1024)
#define TCPD_LINE_MAX    (16 * 1024 - 1)
#define TCPD_NEVER       UINT64_MAX

struct tcpd_worker;  // the process, for open()
struct tcpd_session; // one connection, from accept() to close()

// What a session's bytes are: a stream, as TCP's; messages with borders, as of a SOCK_SEQPACKET
// socket: one write is one, and a read has bytes of one; a datagram: the session has one message,
// which is there, and each write is a datagram back.
enum tcpd_kind { TCPD_STREAMS = 1, TCPD_MESSAGES = 2, TCPD_DATAGRAMS = 4 };

// A module exports one of these with the name tcpd_handler.
struct tcpd_handler {
    unsigned abi; // TCPD_HANDLER_ABI, with which it was built; modules of 1 are loaded, too
    // Optional. Once per worker, before its first connection. < 0: the worker cannot serve; say why
    // with tcpd_log() first.
    int (*open)(const struct tcpd_worker *worker);
    // Serves one connection from its first byte to its last; tcpd closes it afterwards.
    void (*serve)(struct tcpd_session *session);
    // Optional. Once per worker that leaves in order, after its last connection.
    void (*close)(void);
    // Since 2. What it can serve, of enum tcpd_kind; 0: streams and messages.
    unsigned kinds;
};
extern const struct tcpd_handler tcpd_handler __attribute__((visibility("default")));

// --- The worker ---
// The service's name, as configured.
const char *tcpd_service(const struct tcpd_worker *worker);
// The value of NAME=VALUE in module_options, NULL when it is not there. Belongs to tcpd.
const char *tcpd_option(const struct tcpd_worker *worker, const char *name);
// The i-th entry of module_options as written, NULL behind the last: to refuse unknown ones.
const char *tcpd_option_at(const struct tcpd_worker *worker, size_t i);
// The worker was told to leave after this session. A session that may last should look now and
// then.
bool tcpd_stopping(void);
// One record in tcpd's log, with the session's peer (NULL: without). priority as in syslog(3). A
// peer's bytes are escaped. At most 500 bytes are kept.
void tcpd_log(const struct tcpd_session *session, int priority, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// --- Reading. Block until there is something, the peer's end, or a deadline ---
// At most size bytes. > 0: how many; 0: the peer's end of input; -1: the session has ended.
ssize_t tcpd_read(struct tcpd_session *session, void *buffer, size_t size);
// Exactly size bytes, fewer at the peer's end only. >= 0: how many; -1: the session has ended.
ssize_t tcpd_read_exactly(struct tcpd_session *session, void *buffer, size_t size);
// One line without its end (LF or CRLF), NUL-terminated; it belongs to the session until the next
// call. >= 0: its length; -1: there is none, as the peer or the session has ended. What stands
// before the peer's end is a line, too. A line of more than TCPD_LINE_MAX bytes is refused.
ssize_t tcpd_read_line(struct tcpd_session *session, char **ret_line);
// A part of a message, whose borders count. TCPD_LAST: the message ends with it, and *ret_n may be
// 0; TCPD_PART: more of it comes; 0: the peer's end of input; -1: the session has ended. What a
// stream has is the last part of a message each time. tcpd_read() skips empty messages. Since 2.
enum tcpd_part { TCPD_LAST = 1, TCPD_PART };
int tcpd_read_part(struct tcpd_session *session, void *buffer, size_t size, size_t *ret_n);
// As tcpd_read(), but the bytes are dropped.
ssize_t tcpd_discard(struct tcpd_session *session);
// Drops what has come so far without waiting. True: the peer's end of input or an error was met.
bool tcpd_discard_pending(struct tcpd_session *session);
// From now on idle_timeout bounds the reading of one whole message instead of each read, so that a
// byte now and then does not keep a worker. Called before each message.
void tcpd_expect_message(struct tcpd_session *session);

// --- Writing. Blocks until the kernel has taken all of it or a deadline ---
// 0, or -1: the session has ended.
int tcpd_write(struct tcpd_session *session, const void *data, size_t size);
// A part of a message, which is whole with is_last; a stream has no use for that. Since 2.
int tcpd_write_part(struct tcpd_session *session, const void *data, size_t size, bool is_last);

// --- Without copying: between the peer and an empty pipe of at least size bytes, splice(2) ---
// As tcpd_read() and tcpd_write(). What was written to the pipe must be read from it at once.
ssize_t tcpd_splice_read(struct tcpd_session *session, int pipe, size_t size);
int tcpd_splice_write(struct tcpd_session *session, int pipe, size_t size);

// --- The session ---
// Waits for that long, or the session's deadline. 0, or -1: the session has ended.
int tcpd_pause(struct tcpd_session *session, uint64_t usec);
// Ends the session as failed, by the peer's mistake or by ours, for the log; reading and writing
// return -1 from now on.
void tcpd_refuse(struct tcpd_session *session); // "protocol error"
void tcpd_fail(struct tcpd_session *session);   // "failed"
// What the session's bytes are, of enum tcpd_kind. Since 2.
int tcpd_kind(const struct tcpd_session *session);
// What the peer has said of itself before its first byte, in printable ASCII, and not to be
// trusted: of a WebSocket REQUEST_URI, PATH_INFO, QUERY_STRING, HTTP_HOST, HTTP_ORIGIN,
// HTTP_COOKIE, HTTP_USER_AGENT, SEC_WEBSOCKET_PROTOCOL; of TLS SSL_PROTOCOL
// and others, see tcpd-tls(7), where a certificate has been verified. NULL: nothing of that name.
// Belongs to the session. Since 2.
const char *tcpd_fact(const struct tcpd_session *session, const char *name);
// When the session must be over: session_timeout; TCPD_NEVER.
uint64_t tcpd_deadline(const struct tcpd_session *session);
// The peer's address, as accept(2) gave it, or as a trusted proxy has announced it
// (proxy_protocol). Belongs to the session.
const struct sockaddr *tcpd_peer(const struct tcpd_session *session, socklen_t *ret_length);
// The same as text, "127.0.0.1:40000", "[::1]:40000", "unix:"; valid until the next call.
const char *tcpd_peer_text(const struct tcpd_session *session);
// Through whom the peer came: the proxy at the other end of the connection, whose header has
// announced the peer. NULL: nobody's has. Belongs to the session. Since 2.
const struct sockaddr *tcpd_proxy(const struct tcpd_session *session, socklen_t *ret_length);
// Our end of the connection; of a peer that was announced, whereto it has connected. 0 or -errno.
int tcpd_local(const struct tcpd_session *session, struct sockaddr_storage *ret,
               socklen_t *ret_length);
// A worker's one buffer, TCPD_BUFFER_SIZE bytes, for the handler to use as it likes.
uint8_t *tcpd_buffer(void);

#ifdef __cplusplus
}
#endif
