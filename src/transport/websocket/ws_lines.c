// SPDX-License-Identifier: MIT
#include "transport/websocket/ws_lines.h"

#include "transport/websocket/utf8.h"

bool ws_line_take(struct ws_line *line, const uint8_t *piece, size_t length, bool last)
{
    bool wants_newline;

    if (length > 0)
        line->ends_in_newline = piece[length - 1] == '\n';
    wants_newline = last && !line->ends_in_newline;
    if (last)
        line->ends_in_newline = false;
    return wants_newline;
}

size_t ws_text_length(const uint8_t *data, size_t length, bool at_end)
{
    return at_end ? length : utf8_whole_length(data, length);
}
