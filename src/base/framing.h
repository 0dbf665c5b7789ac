// SPDX-License-Identifier: MIT
// Where a message ends in a stream of bytes (a stream has no messages of its own): by the read, by
// line, or by a length before it. Pure: works on buffers, knows no sockets; shared by daemon and
// client.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum framing {
    FRAMING_CHUNK,  // what one read of at most FRAMING_CHUNK_MAX bytes returned; no terminator
    FRAMING_LINE,   // up to LF or CRLF, which do not belong to the message; replies end in LF
    FRAMING_LENGTH, // 32-bit length in network byte order, then as many bytes
    FRAMING_N,
};

#define FRAMING_CHUNK_MAX   1024
#define FRAMING_MESSAGE_MAX (64 * 1024) // the longest message taken in line and length framing
#define FRAMING_HEAD_MAX    4           // the longest head framing_head() writes

extern const char *const framing_names[FRAMING_N]; // "chunk", "line", "length"

// One message found in a buffer. It points into that buffer.
struct message {
    const uint8_t *data;
    size_t length;
    size_t consumed; // bytes of the buffer that the message and its framing take
};

// Looks for one message at the start of data. 1: found; 0: more bytes are needed; -EMSGSIZE: it is,
// or will be, longer than FRAMING_MESSAGE_MAX. At the end of input (at_end) an unterminated last
// line is a message; an unfinished length-framed one is not and gives -EBADMSG.
int framing_next(enum framing framing, const uint8_t *data, size_t length, bool at_end,
                 struct message *ret);

// Writes what goes before a message of the given length into head; returns its size (0 or 4).
size_t framing_head(enum framing framing, size_t length, uint8_t head[FRAMING_HEAD_MAX]);

// What goes after a message: "" or "\n".
const char *framing_tail(enum framing framing);
