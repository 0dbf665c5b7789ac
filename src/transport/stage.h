// SPDX-License-Identifier: MIT
// What may stand between a session and its socket, and turns bytes into bytes: TLS, WebSocket,
// messages of a packet socket. Stages stand on one another, the lowest on the socket. A stage knows
// no session: its lower end is handed in. It sets no deadline, logs nothing and closes nothing.
//
// Every call may fail as recv(2) and send(2) do, with -1 and errno. EAGAIN and EINTR change
// nothing: what a stage has begun it keeps, in the middle of a header as well, and the call is made
// again. EPROTO: the peer has broken the protocol, and nothing more comes of the stage. ESHUTDOWN,
// when giving: the peer has ended both ways, and takes nothing more. EILSEQ: what is given cannot
// be said in this protocol.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

// Where bytes come from and go to: the socket or the stage below, as recv(2) and send(2). Without
// MSG_DONTWAIT they may block until a deadline, which is EAGAIN.
struct stage_end {
    ssize_t (*take)(void *cookie, void *data, size_t size, int flags);
    ssize_t (*give)(void *cookie, const void *data, size_t size, int flags);
    void *cookie;
    // Optional. Tells the peer at once that what it has sent is here: a handshake ends with its
    // word and ours comes later. Until then its kernel may hold back what it says next (Nagle, RFC
    // 9293, 3.7.4), and ours the acknowledgement: 40 ms for nothing.
    void (*acknowledge)(void *cookie);
};

// How a session ends, as far as a peer can be told.
enum stage_ending { STAGE_DONE, STAGE_STOPPED, STAGE_LATE, STAGE_BROKEN, STAGE_FAILED };

struct stage;

struct stage_ops {
    const char *name;
    bool has_messages; // one write is one message, and a read never has bytes of two
    bool is_thin;      // the socket itself has these bytes: a program may have it
    // Its one message is all of the session, and was read before it. The socket is everybody's:
    // nothing is set on it, nothing is ended, and it stays open.
    bool is_datagram;
    // A new connection; nothing of the one before is left.
    void (*open)(struct stage *stage);
    // Optional. What comes before the first byte, a handshake. 1: bytes may follow; 0: the session
    // is over, and all is well; -1: as any call, or EBADMSG: the peer was refused, EKEYREJECTED: it
    // is not agreed what is spoken. Called again after EAGAIN and EINTR.
    int (*begin)(struct stage *stage, int flags);
    // As recv(2). *ret_last: these bytes end a message; 0 and true: an empty one; 0 and false: the
    // peer's end.
    ssize_t (*take)(struct stage *stage, void *data, size_t size, int flags, bool *ret_last);
    // As send(2), but what was not taken must be given again: it may be half on its way. `is_last`:
    // a message ends with it.
    ssize_t (*give)(struct stage *stage, const void *data, size_t size, int flags, bool is_last);
    // Optional, as are all below. Sends what was taken and waits inside. 0 or -1.
    int (*flush)(struct stage *stage, int flags);
    // The last words, after which nothing is given. 0 or -1; EILSEQ: what was kept for the end
    // cannot be said, and STAGE_FAILED can.
    int (*end)(struct stage *stage, enum stage_ending ending, int flags);
    // Whether there are bytes inside, of which poll(2) does not know.
    bool (*has_more)(const struct stage *stage);
    // What to poll the socket for in place of these events.
    short (*wants)(const struct stage *stage, short events);
    // What was wrong with the peer, for the log; NULL: nothing. Of a peer's bytes nothing is in it.
    const char *(*wrong)(const struct stage *stage);
    // What is known of the peer since begin(), and may grow: "NAME=value", printable ASCII as the
    // peer has sent it, behind the last one NULL; valid until the next open().
    const char *const *(*facts)(const struct stage *stage);
    // When it wants to be called to take, though nothing came; USEC_NEVER.
    uint64_t (*wake_usec)(const struct stage *stage);
    // Our address, if the socket itself has not the right one. Its length.
    socklen_t (*local)(const struct stage *stage, struct sockaddr_storage *ret);
};

struct stage {
    const struct stage_ops *ops;
    struct stage *under; // NULL: it stands on the socket
    struct stage_end below;
};

// Puts a stage on another one.
void stage_put_on(struct stage *stage, struct stage *under);

// --- Of a stage and all under it, for the session ---
void stage_open(struct stage *stage);
int stage_begin(struct stage *stage, int flags);
const char *stage_wrong(const struct stage *stage);
const char *stage_fact(const struct stage *stage, size_t i); // NULL: there are no more
int stage_flush(struct stage *stage, int flags);
int stage_end_output(struct stage *stage, enum stage_ending ending, int flags);
bool stage_has_more(const struct stage *stage);
short stage_wants(const struct stage *stage, short events);
uint64_t stage_wake_usec(const struct stage *stage);
