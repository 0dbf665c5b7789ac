// SPDX-License-Identifier: MIT
// What the load generator can do, a row for each mode, and the options of this run.
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/un.h>

#include "base/base.h"

#define UNBOUNDED UINT64_MAX
#define BOTH_WAYS 2

// What follows when all was sent and all was received.
enum next {
    NEXT_CLOSE,
    NEXT_ROUND,
    NEXT_END_WRITING,
    NEXT_PEER_ENDS,
    NEXT_HOLD,
    NEXT_RESET, // by the peer, without a byte
};

struct mode {
    const char *name;
    bool sends, receives;
    bool stream;     // the connection is the operation, and the end of the time ends it
    bool reconnects; // each operation has a connection of its own
    enum next next;
};

static const struct mode modes[] = {
    {"connect", true, true, false, true, NEXT_CLOSE},
    {"message", true, true, false, false, NEXT_ROUND},
    {"bulk", true, true, true, false, NEXT_END_WRITING},
    {"greeting", false, true, false, true, NEXT_PEER_ENDS},
    {"discard", true, false, true, false, NEXT_END_WRITING},
    {"chargen", false, true, true, false, NEXT_CLOSE},
    {"burst", true, true, false, true, NEXT_HOLD}, // all at once; each waits for the last
    {"refused", false, true, false, true, NEXT_RESET},
};

static struct {
    const struct mode *mode;
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_un un;
    } address;
    socklen_t address_size;
    int socket_type;
    int opcode; // of WebSocket messages, 0: plain
    uint64_t n_in_flight, size, count;
    uint64_t run_usec, limit_usec;
    const char *expect;
    int half_close, hold, json;
    int lines; // what is sent comes in lines of option.size bytes; BOTH_WAYS: read backwards the
               // same
    uint64_t rate;         // new connections a second at most, 0: any
    struct in_addr source; // of all connections, 0: many in turn
    const char *announced; // in front of what each connection sends: a header of the PROXY protocol
    size_t n_announced;
    const char *ca_file; // of the server's certificate: TLS
    int resume;          // a handshake in full is an error
} option = {.mode = &modes[0],
            .socket_type = SOCK_STREAM,
            .n_in_flight = 1,
            .limit_usec = 10 * USEC_PER_SEC};

// False: of a greeting only the size is known, as of one that has the time.
static inline bool mode_knows_text(void)
{
    return option.mode->next != NEXT_PEER_ENDS || option.expect;
}

// NULL when there is no mode of that name.
static inline const struct mode *mode_find(const char *name)
{
    for (size_t i = 0; i < ELEMENTS(modes); i++)
        if (strcmp(modes[i].name, name) == 0)
            return &modes[i];
    return NULL;
}
