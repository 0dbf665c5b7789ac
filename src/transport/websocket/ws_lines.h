// SPDX-License-Identifier: MIT
// Messages as a program sees them that knows only bytes: each that comes is a line (ws_messages =
// line), and each piece that it writes is one, of whole characters (text). Pure.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A message that comes in pieces; all zero before the first.
struct ws_line {
    bool ends_in_newline; // as far as it has come
};

// Takes the next piece, which goes to the program as it is, and says whether a newline goes behind
// it: where the message ends, unless it ends in one.
bool ws_line_take(struct ws_line *line, const uint8_t *piece, size_t length, bool last);

// How much of a piece is sent as a text message: all but a last character that is not there as a
// whole, unless nothing else will come. 0: wait for more.
size_t ws_text_length(const uint8_t *data, size_t length, bool at_end);
