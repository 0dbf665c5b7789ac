// SPDX-License-Identifier: MIT
// Messages of a WebSocket over a stream of bytes, as the server has them (RFC 6455). Never waits by
// itself: what is below may, by its flags, and what it says (EAGAIN) is passed up with everything
// kept, within a header or a half-written frame, too. Logs nothing. One stream takes 33 KiB, of
// which small messages touch 12 at most.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "transport/stage.h"
#include "transport/websocket/ws_close.h"

#ifndef WS_BUFFER_SIZE             // which is small in fuzz targets
#define WS_BUFFER_SIZE (16 * 1024) // read ahead; longer payload goes past the buffers
#endif
#define WS_EMPTY_COST 16 // of an empty fragment, against message_max

enum ws_type { WS_AUTO = 0, WS_TEXT = 1, WS_BINARY = 2 };

struct ws_options {
    enum ws_type type;    // of what is sent; WS_AUTO: of the message last received
    enum ws_type initial; // with WS_AUTO, before any: WS_TEXT or WS_BINARY
    uint64_t message_max; // ws_message_max, bytes
    uint64_t ping_usec;   // ws_ping; 0: off
};

struct ws_stream;

// Begins with what has come behind the request: up to WS_BUFFER_SIZE bytes. Touches no more of the
// stream's memory than it needs.
void ws_stream_start(struct ws_stream *stream, struct stage_end below,
                     const struct ws_options *options, const void *early, size_t n_early);

// Takes payload of one message: > 0 bytes, of which *ret_last says whether they end it. 0 and
// *ret_last: it has ended (mostly an empty one). 0 and not: the peer has ended, with a Close, which
// is answered, or without. -1: errno is EPROTO (ws_stream_fault(), a Close says so), ECONNRESET
// (the end within a message or frame) or what is below said. Pings are answered meanwhile; with
// MSG_DONTWAIT what could not be sent stays for later. size > 0.
ssize_t ws_stream_take(struct ws_stream *stream, void *data, size_t size, int flags,
                       bool *ret_last);

// Gives payload of one message, which `last` ends; size may be 0. Returns how many bytes were
// taken; the rest is given again, with the same `last`, and as it was: it may be half on its way.
// What was taken may wait inside. -1: errno is EPIPE (after a Close of either
// side), EILSEQ (a text that is not UTF-8: end with WS_INTERNAL_ERROR), or what is below said.
ssize_t ws_stream_give(struct ws_stream *stream, const void *data, size_t size, int flags,
                       bool last);

// Sends what waits. 0, or -1 and errno. wants_to_send: whether anything waits.
int ws_stream_flush(struct ws_stream *stream, int flags);
bool ws_stream_wants_to_send(const struct ws_stream *stream);

// Whether take() has something for which nothing needs to come from below.
bool ws_stream_has_more(const struct ws_stream *stream);

// Sends a Close, unless there was one; the reason is UTF-8. Then as flush().
int ws_stream_end(struct ws_stream *stream, enum ws_code code, const char *reason, int flags);

// When wake() is to be called (base_now_usec(); USEC_NEVER: not at all), but after take() has found
// nothing: it sends a ping, or says that nothing has come since one: -1, ETIMEDOUT. What could not
// be sent is left for flush().
uint64_t ws_stream_wake_usec(const struct ws_stream *stream);
int ws_stream_wake(struct ws_stream *stream, uint64_t now_usec, int flags);

// How the peer has ended it: the code of its Close, WS_NO_CODE, WS_NO_CLOSE; 0: not yet. And why it
// was refused: WS_PROTOCOL_ERROR, WS_BAD_TEXT, WS_TOO_BIG; 0: it was not.
enum ws_code ws_stream_peer_code(const struct ws_stream *stream);
enum ws_code ws_stream_fault(const struct ws_stream *stream);
