// SPDX-License-Identifier: MIT
// A client's side of WebSocket, RFC 6455, around the load generator's bytes: the handshake, a
// masked frame for each message, and from what comes the payload and where messages end. Nothing is
// read or written here.
#pragma once

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define WS_BINARY     2
#define WS_TEXT       1
#define WS_CLOSE      8
#define WS_FIN        0x80
#define WS_MASKED     0x80
#define WS_HEADER_MAX 14
#define WS_HEAD_MAX   1024 // of the answer to a handshake

static const uint8_t ws_mask[4] = {0x37, 0xfa, 0x21, 0x3d};

// The keys of RFC 6455, 1.3.
static const char ws_request[] = "GET / HTTP/1.1\r\n"
                                 "Host: 127.0.0.1\r\n"
                                 "Upgrade: websocket\r\n"
                                 "Connection: Upgrade\r\n"
                                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                                 "Sec-WebSocket-Version: 13\r\n\r\n";
static const char ws_accept[] = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

struct ws {
    bool is_open, is_closed; // the handshake is done; the peer's Close has come
    size_t n_requested;      // of ws_request, sent
    size_t n_header;         // of the header of the frame that is being sent
    char head[WS_HEAD_MAX];  // of the answer
    size_t n_head;
    uint8_t header[10]; // of the frame that comes
    size_t n_got;
    bool is_in_payload;
    uint64_t left; // of it
};

// A client's header of a whole message; returns its length.
static inline size_t ws_put_header(uint8_t header[static WS_HEADER_MAX], int opcode, uint64_t size)
{
    uint16_t size16 = htobe16((uint16_t)size);
    uint64_t size64 = htobe64(size);
    size_t n = 2;

    header[0] = (uint8_t)(WS_FIN | opcode);
    header[1] = (uint8_t)(WS_MASKED | (size < 126 ? size : size < 65536 ? 126 : 127));
    if (size >= 65536)
        memcpy(header + 2, &size64, sizeof(size64)), n += sizeof(size64);
    else if (size >= 126)
        memcpy(header + 2, &size16, sizeof(size16)), n += sizeof(size16);
    memcpy(header + n, ws_mask, sizeof(ws_mask));
    return n + sizeof(ws_mask);
}

// Masks `n` bytes from position `at` of a message on, eight at a time: the server's speed counts.
static inline void ws_put_payload(char *to, const char *from, size_t n, uint64_t at)
{
    uint8_t mask[8];
    uint64_t mask64, bytes;
    size_t i = 0;

    for (size_t k = 0; k < sizeof(mask); k++)
        mask[k] = ws_mask[(at + k) & 3];
    memcpy(&mask64, mask, sizeof(mask64));
    for (; n - i >= sizeof(bytes); i += sizeof(bytes)) {
        memcpy(&bytes, from + i, sizeof(bytes));
        bytes ^= mask64;
        memcpy(to + i, &bytes, sizeof(bytes));
    }
    for (; i < n; i++)
        to[i] = (char)(from[i] ^ mask[i & 7]);
}

// Takes the answer's head from the front of what has come. How many bytes that were, or -EBADMSG.
static inline ssize_t ws_take_head(struct ws *ws, const char *bytes, size_t n)
{
    size_t i = 0;

    while (i < n && !ws->is_open) {
        if (ws->n_head == WS_HEAD_MAX - 1)
            return -EBADMSG;
        ws->head[ws->n_head++] = bytes[i++];
        ws->is_open = ws->n_head >= 4 && !memcmp(ws->head + ws->n_head - 4, "\r\n\r\n", 4);
    }
    if (ws->is_open &&
        (strncmp(ws->head, "HTTP/1.1 101 ", 13) != 0 || !strstr(ws->head, ws_accept)))
        return -EBADMSG;
    return (ssize_t)i;
}

static inline size_t ws_header_size(const struct ws *ws)
{
    uint8_t length = ws->n_got < 2 ? 0 : ws->header[1] & 0x7f;

    return length == 127 ? 10 : length == 126 ? 4 : 2;
}

// Takes a byte of a header. False: no server may send that.
static inline bool ws_take_header(struct ws *ws, uint8_t byte)
{
    uint64_t size64;
    uint16_t size16;
    size_t n;

    ws->header[ws->n_got++] = byte;
    n = ws_header_size(ws);
    if (ws->n_got < n)
        return true;
    memcpy(&size16, ws->header + 2, sizeof(size16));
    memcpy(&size64, ws->header + 2, sizeof(size64));
    ws->left = n == 2 ? ws->header[1] : n == 4 ? be16toh(size16) : be64toh(size64);
    ws->is_in_payload = true;
    return !(ws->header[1] & WS_MASKED) && !ws->is_closed;
}

static inline bool ws_is_control(const struct ws *ws)
{
    return ws->header[0] & WS_CLOSE;
}

// False: a message ends where none does.
static inline bool ws_end_frame(struct ws *ws, uint64_t received, uint64_t size)
{
    bool ends_message = !ws_is_control(ws) && (ws->header[0] & WS_FIN);

    ws->is_closed = (ws->header[0] & 0x0f) == WS_CLOSE;
    ws->is_in_payload = false;
    ws->n_got = 0;
    return !ends_message || received % size == 0;
}

// What has come, cut anywhere, becomes the payload of messages, in place: its length, or -EBADMSG.
// Each message must end where what was received, `received` before, is a multiple of `size`.
static inline ssize_t ws_take(struct ws *ws, char *bytes, size_t n, uint64_t received,
                              uint64_t size)
{
    ssize_t head = ws_take_head(ws, bytes, n);
    size_t i = (size_t)head, kept = 0;

    while (head >= 0 && i < n) {
        if (ws->is_in_payload) {
            size_t part = ws->left < n - i ? (size_t)ws->left : n - i;

            if (!ws_is_control(ws))
                memmove(bytes + kept, bytes + i, part);
            kept += ws_is_control(ws) ? 0 : part;
            i += part;
            ws->left -= part;
        } else if (!ws_take_header(ws, (uint8_t)bytes[i++])) {
            return -EBADMSG;
        }
        if (ws->is_in_payload && ws->left == 0 && !ws_end_frame(ws, received + kept, size))
            return -EBADMSG;
    }
    return head < 0 ? head : (ssize_t)kept;
}
