// SPDX-License-Identifier: MIT
// The payload of a Close frame: a code of two bytes and a reason, or nothing (RFC 6455, 5.5.1 and
// 7.4). Pure.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum ws_code {
    WS_OK = 1000,
    WS_GOING_AWAY = 1001,
    WS_PROTOCOL_ERROR = 1002,
    WS_NO_CODE = 1005,  // a Close without one; never sent
    WS_NO_CLOSE = 1006, // the connection ended without a Close; never sent
    WS_BAD_TEXT = 1007,
    WS_TOO_BIG = 1009,
    WS_INTERNAL_ERROR = 1011,
};

#define WS_CONTROL_MAX 125 // payload of a ping, pong or Close

// The code of what a peer has sent, WS_NO_CODE for an empty one; or, negative, the code with which
// it is to be refused: -WS_PROTOCOL_ERROR, -WS_BAD_TEXT.
int ws_close_read(const uint8_t *payload, size_t length);

// Writes code and reason, which is cut to what fits between its characters. Returns the length.
size_t ws_close_write(enum ws_code code, const char *reason, uint8_t payload[WS_CONTROL_MAX]);
