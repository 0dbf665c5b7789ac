// SPDX-License-Identifier: MIT
// What websocket.c and websocket_request.c have in common.
#pragma once

#include "transport/websocket/websocket.h"
#include "transport/websocket/ws_facts.h"
#include "transport/websocket/ws_handshake.h"
#include "transport/websocket/ws_lines.h"
#include "transport/websocket/ws_stream.h"

#define ROOM (64 * 1024) // of a line, or a piece

enum phase { PHASE_REQUEST, PHASE_ANSWER, PHASE_MESSAGES };

struct websocket {
    struct stage stage; // the first, so that a pointer to it is one to all
    const struct websocket_settings *settings;
    struct ws_rules rules;
    enum phase phase;
    struct http_request request;
    char head[HTTP_HEAD_MAX];
    size_t n_head;
    struct ws_answer answer;
    struct ws_facts facts;
    struct http_text out[2]; // the answer, and a page behind it: what is still to be sent
    struct ws_stream *stream;
    struct ws_line in;
    bool owes_newline;   // to the program, behind a message
    uint8_t piece[ROOM]; // of the program's output, until it is a message
    size_t n_piece, n_given;
    bool is_message; // the piece, of which n_given bytes are given
    uint8_t tail[4]; // of a piece of text: a character that is not there as a whole
    size_t n_tail;
    char wrong[160];
};

// As stage_ops.begin(): reads the request and sends the answer to it.
int websocket_begin(struct websocket *ws, int flags);

// No whole request came in time: says so, as far as there is room.
void websocket_give_up(struct websocket *ws);
