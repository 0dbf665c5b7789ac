// SPDX-License-Identifier: MIT
// Takes a header of the PROXY protocol from a connected socket, and not a byte more: what is behind
// it stays there for whoever serves, a program, too. Of the socket nothing is set.
#pragma once

#include <stdint.h>

#include "base/proxy_header.h"

enum proxy_read {
    PROXY_READ_WAIT,   // there is no more now
    PROXY_READ_WHOLE,  // reader.header has it
    PROXY_READ_BAD,    // reader.header.reason says why
    PROXY_READ_ENDED,  // the sender has ended before; n_held is 0: it has sent nothing at all
    PROXY_READ_FAILED, // reader.error
};

struct proxy_reader {
    enum proxy_versions versions;
    struct proxy_header header; // its texts lie in bytes
    size_t n_held;              // bytes taken from the socket
    size_t n_seen;              // and with those that were looked at, as of a bad one
    int error;                  // errno of a call that failed
    uint8_t bytes[PROXY_HEADER_MAX];
};

void proxy_reader_open(struct proxy_reader *reader, enum proxy_versions versions);

// Takes what is there. Does not block.
enum proxy_read proxy_reader_take(struct proxy_reader *reader, int fd);

// The same, and waits for more until the moment due_usec. PROXY_READ_WAIT: that has come, or a
// signal has; to be called again.
enum proxy_read proxy_reader_run(struct proxy_reader *reader, int fd, uint64_t due_usec);
