// SPDX-License-Identifier: MIT
// What websocket.so has for the daemon: a WebSocket (RFC 6455) as a stage. It is loaded where an
// entry of listen says so, and calls nothing of the program that loads it.
#pragma once

#include "transport/stage.h"

// What the bytes of a session are to the messages of its WebSocket.
enum websocket_messages {
    WEBSOCKET_AUTO,   // a read or write is a message, of the type last received
    WEBSOCKET_LINE,   // a line is one
    WEBSOCKET_TEXT,   // a write is one, of text
    WEBSOCKET_BINARY, // a write is one, of bytes
};

struct websocket_list {
    const char *const *items;
    size_t n;
};

// What tcpd.conf says, and the stage that does it: memory of who makes it, so that a worker that
// has not served yet touches none of the object's.
struct websocket_settings {
    struct stage stage; // the first, so that a pointer to it is one to all
    struct websocket_list origins, hosts, protocols;
    const char *path;
    enum websocket_messages messages;
    uint64_t message_max, ping_usec;
    bool has_page;
    bool is_tls, is_proxied, is_local; // of the listener: ws_policy.h
    bool is_binary;                    // what is sent before anything came
};

struct websocket_face {
    const char *version; // of tcpd: both must have the same
    // The one of this process, on `below`.
    struct stage *(*make)(struct websocket_settings *settings, struct stage_end below);
};

extern const struct websocket_face tcpd_websocket;
