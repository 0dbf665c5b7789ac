// SPDX-License-Identifier: MIT
// Finding messages in a stream. Every byte value is data: nothing is decoded, nothing is copied.

#include "base/framing.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

const char *const framing_names[FRAMING_N] = {
    [FRAMING_CHUNK] = "chunk",
    [FRAMING_LINE] = "line",
    [FRAMING_LENGTH] = "length",
};

static int next_chunk(const uint8_t *data, size_t length, struct message *ret)
{
    if (length == 0)
        return 0;
    if (length > FRAMING_CHUNK_MAX)
        length = FRAMING_CHUNK_MAX;
    *ret = (struct message){.data = data, .length = length, .consumed = length};
    return 1;
}

static int next_line(const uint8_t *data, size_t length, bool at_end, struct message *ret)
{
    const uint8_t *end = length > 0 ? memchr(data, '\n', length) : NULL;
    size_t line = end ? (size_t)(end - data) : length;
    size_t terminator = end ? 1 : 0;

    if (line > FRAMING_MESSAGE_MAX + 1) // one more byte may be the CR of a CRLF
        return -EMSGSIZE;
    if (!end && (!at_end || length == 0))
        return 0;
    *ret = (struct message){.data = data, .length = line, .consumed = line + terminator};
    if (end && line > 0 && data[line - 1] == '\r')
        ret->length--;
    return ret->length > FRAMING_MESSAGE_MAX ? -EMSGSIZE : 1;
}

static int next_length(const uint8_t *data, size_t length, bool at_end, struct message *ret)
{
    uint32_t size = 0;

    if (length >= sizeof(size)) {
        memcpy(&size, data, sizeof(size));
        size = be32toh(size);
        if (size > FRAMING_MESSAGE_MAX)
            return -EMSGSIZE;
    }
    if (length < sizeof(size) || length - sizeof(size) < size)
        return at_end && length > 0 ? -EBADMSG : 0;
    *ret = (struct message){
        .data = data + sizeof(size), .length = size, .consumed = sizeof(size) + size};
    return 1;
}

int framing_next(enum framing framing, const uint8_t *data, size_t length, bool at_end,
                 struct message *ret)
{
    if (framing == FRAMING_LINE)
        return next_line(data, length, at_end, ret);
    if (framing == FRAMING_LENGTH)
        return next_length(data, length, at_end, ret);
    return next_chunk(data, length, ret);
}

size_t framing_head(enum framing framing, size_t length, uint8_t head[FRAMING_HEAD_MAX])
{
    uint32_t size = htobe32((uint32_t)length);

    if (framing != FRAMING_LENGTH)
        return 0;
    memcpy(head, &size, sizeof(size));
    return sizeof(size);
}

const char *framing_tail(enum framing framing)
{
    return framing == FRAMING_LINE ? "\n" : "";
}
