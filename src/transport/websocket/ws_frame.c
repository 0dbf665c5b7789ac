// SPDX-License-Identifier: MIT
// The layout of frames. A mask is taken off by words of 8 bytes: byte by byte it takes ten times as
// long as all the rest of a message of 64 KiB.

#include "transport/websocket/ws_frame.h"

#include <string.h>

#define SHORT_MAX 125 // the longest length in the second byte; 126 and 127: it follows

static uint64_t read_length(const uint8_t *data, size_t n)
{
    uint64_t length = 0;

    for (size_t i = 0; i < n; i++)
        length = length << 8 | data[i];
    return length;
}

static size_t extended_size(uint64_t short_length)
{
    return short_length <= SHORT_MAX ? 0 : short_length == SHORT_MAX + 1 ? 2 : 8;
}

static bool is_length_right(uint64_t length, size_t n_extended)
{
    if (n_extended == 2)
        return length > SHORT_MAX;
    return n_extended == 0 || (length > UINT16_MAX && length <= INT64_MAX);
}

int ws_header_read(const uint8_t *data, size_t length, struct ws_header *ret)
{
    size_t n_extended;

    if (length < 2)
        return 0;
    *ret = (struct ws_header){.is_last = data[0] & 0x80,
                              .reserved = data[0] >> 4 & 7,
                              .opcode = data[0] & 15,
                              .is_masked = data[1] & 0x80,
                              .length = data[1] & 0x7f};
    n_extended = extended_size(ret->length);
    if (ws_is_control(ret->opcode) && (n_extended > 0 || !ret->is_last))
        return -1;
    ret->size = 2 + n_extended;
    if (length < ret->size)
        return 0;
    if (n_extended > 0)
        ret->length = read_length(data + 2, n_extended);
    if (!is_length_right(ret->length, n_extended))
        return -1;
    if (!ret->is_masked)
        return 1;
    if (length < ret->size + sizeof(ret->mask))
        return 0;
    memcpy(ret->mask, data + ret->size, sizeof(ret->mask));
    ret->size += sizeof(ret->mask);
    return 1;
}

size_t ws_header_write(bool last, uint8_t opcode, size_t length, uint8_t header[WS_HEADER_MAX])
{
    uint8_t short_length = length <= SHORT_MAX    ? (uint8_t)length
                           : length <= UINT16_MAX ? SHORT_MAX + 1
                                                  : SHORT_MAX + 2;
    size_t n_extended = extended_size(short_length);

    header[0] = (uint8_t)((last ? 0x80 : 0) | opcode);
    header[1] = short_length;
    for (size_t i = 0; i < n_extended; i++)
        header[2 + i] = (uint8_t)(length >> 8 * (n_extended - 1 - i));
    return 2 + n_extended;
}

void ws_unmask(uint8_t *to, const uint8_t *from, size_t length, const uint8_t mask[4], uint64_t at)
{
    uint8_t turned[8];
    uint64_t masks, word;
    size_t n = 0;

    for (size_t i = 0; i < sizeof(turned); i++)
        turned[i] = mask[(at + i) % 4];
    memcpy(&masks, turned, sizeof(masks));
    for (; length - n >= sizeof(word); n += sizeof(word)) {
        memcpy(&word, from + n, sizeof(word));
        word ^= masks;
        memcpy(to + n, &word, sizeof(word));
    }
    for (; n < length; n++)
        to[n] = from[n] ^ turned[n % 4];
}
