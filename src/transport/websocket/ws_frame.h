// SPDX-License-Identifier: MIT
// Headers of frames (RFC 6455, 5.2), and the mask over a client's payload. Pure.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ws_opcode {
    WS_FRAME_CONTINUATION = 0,
    WS_FRAME_TEXT = 1,
    WS_FRAME_BINARY = 2,
    WS_FRAME_CLOSE = 8,
    WS_FRAME_PING = 9,
    WS_FRAME_PONG = 10,
};

#define WS_HEADER_MAX 14

struct ws_header {
    bool is_last, is_masked;
    uint8_t reserved, opcode;
    uint8_t mask[4];
    uint64_t length; // of the payload
    size_t size;     // of the header itself
};

static inline bool ws_is_control(uint8_t opcode)
{
    return opcode & 8;
}

// Reads a header at the start of data: 1; 0: more bytes are needed; -1: a length is not written in
// the shortest way or beyond 2^63 - 1, or a control frame is in fragments or longer than 125 bytes.
int ws_header_read(const uint8_t *data, size_t length, struct ws_header *ret);

// Writes one without a mask. Returns its size, which is 4 at most for a payload below 64 KiB.
size_t ws_header_write(bool last, uint8_t opcode, size_t length, uint8_t header[WS_HEADER_MAX]);

// Copies payload and takes the mask off; `at`: how much of the frame's payload came before it.
void ws_unmask(uint8_t *to, const uint8_t *from, size_t length, const uint8_t mask[4], uint64_t at);
