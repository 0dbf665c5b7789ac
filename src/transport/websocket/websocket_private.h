// SPDX-License-Identifier: MIT
// What websocket.c and websocket_request.c have in common.
#pragma once

#include <stdalign.h>

#include "transport/websocket/websocket.h"
#include "transport/websocket/ws_facts.h"
#include "transport/websocket/ws_handshake.h"
#include "transport/websocket/ws_lines.h"
#include "transport/websocket/ws_stream_private.h"

#define ROOM (64 * 1024) // of a line, or a piece
#define PAGE 4096

enum phase { PHASE_REQUEST, PHASE_ANSWER, PHASE_MESSAGES };

// In this order a session whose messages are small touches four pages.
struct websocket {
    const struct websocket_settings *settings;
    struct ws_rules rules;
    enum phase phase;
    struct http_text out[2];  // the answer, and a page behind it: what is still to be sent
    struct ws_stream *stream; // NULL: there are no messages yet
    struct ws_line in;
    bool owes_newline; // to the program, behind a message
    bool is_message;   // the piece, of which n_given bytes are given
    size_t n_piece, n_given;
    uint8_t tail[4]; // of a piece of text: a character that is not there as a whole
    size_t n_tail;
    char wrong[160];
    struct ws_facts facts;
    struct ws_stream memory; // of `stream`
    alignas(PAGE) union {
        struct { // until the answer is out
            struct http_request request;
            struct ws_answer answer;
            size_t n_head;
            char head[HTTP_HEAD_MAX];
        };
        uint8_t piece[ROOM]; // of the program's output, until it is a message
    };
};

// As stage_ops.begin(): reads the request and sends the answer to it.
int websocket_begin(struct websocket *ws, int flags);

// No whole request came in time: says so, as far as there is room.
void websocket_give_up(struct websocket *ws);
