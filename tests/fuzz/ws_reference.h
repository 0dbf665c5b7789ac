// SPDX-License-Identifier: MIT
// What a stream of frames means, by RFC 6455, for one that is there as a whole: what is read of it,
// what is answered, how it ends. Knows nothing of ws_stream.
#pragma once

#include <errno.h>

#include "fuzz.h"
#include "utf8_reference.h"
#include "ws_words.h"

struct ws_outcome {
    struct ws_bytes read; // payload; behind each message 'T' or 'B' and its length
    struct ws_bytes answer;
    int error; // 0, EPROTO, ECONNRESET
    int fault, peer_code;
};

struct ws_reader {
    struct ws_outcome *outcome;
    struct ws_bytes message;
    uint8_t type; // 0: none
    uint64_t counted, max;
};

static inline int refuse_with(struct ws_reader *reader, int code)
{
    frame_add(&reader->outcome->answer, 0x88, false,
              (const uint8_t[]){(uint8_t)(code >> 8), (uint8_t)code}, 2);
    reader->outcome->fault = code;
    reader->outcome->error = EPROTO;
    return -1;
}

static inline int end_message(struct ws_reader *reader)
{
    struct ws_bytes *read = &reader->outcome->read;
    bool whole = true;

    if (reader->type == 1)
        (void)reference_utf8(reader->message.data, reader->message.length, &whole);
    if (!whole)
        return refuse_with(reader, 1007);
    bytes_add(read, reader->type == 1 ? "T" : "B", 1);
    bytes_add(read, &reader->message.length, sizeof(reader->message.length));
    reader->message.length = 0;
    reader->type = 0;
    return 0;
}

static inline int add_data(struct ws_reader *reader, const uint8_t *data, size_t n)
{
    size_t before = reader->message.length, good;
    bool whole;

    bytes_add(&reader->message, data, n);
    good = reader->type == 1 ? reference_utf8(reader->message.data, reader->message.length, &whole)
                             : before + n;
    bytes_add(&reader->outcome->read, data, good - before);
    return good < before + n ? refuse_with(reader, 1007) : 0;
}

static inline int end_by_close(struct ws_reader *reader, const uint8_t *data, size_t n)
{
    int code = n >= 2 ? data[0] << 8 | data[1] : 1005;
    bool whole = true;

    if (n == 1 || (n >= 2 && !((code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
                               (code >= 3000 && code <= 4999))))
        return refuse_with(reader, 1002);
    if (n > 2 && (reference_utf8(data + 2, n - 2, &whole) < n - 2 || !whole))
        return refuse_with(reader, 1007);
    reader->outcome->peer_code = code;
    frame_add(&reader->outcome->answer, 0x88, false, data, n >= 2 ? 2 : 0);
    return -1;
}

// Ends where the stream does; a cut within something is an error.
static inline int end_of_stream(struct ws_reader *reader, bool is_within)
{
    reader->outcome->peer_code = 1006;
    reader->outcome->error = is_within || reader->type ? ECONNRESET : 0;
    return -1;
}

struct reference_header {
    bool fin, masked;
    uint8_t rsv, opcode;
    uint64_t length;
    const uint8_t *mask, *payload;
};

// 1: there; 0: cut; -1: lengths that may not be.
static inline int read_header(const uint8_t *data, size_t n, struct reference_header *ret)
{
    size_t n_length, need = 2;

    if (n < 2)
        return 0;
    *ret = (struct reference_header){.fin = data[0] & 0x80,
                                     .masked = data[1] & 0x80,
                                     .rsv = data[0] >> 4 & 7,
                                     .opcode = data[0] & 15,
                                     .length = data[1] & 0x7f};
    if (ret->opcode & 8 && (ret->length > 125 || !ret->fin))
        return -1;
    n_length = ret->length < 126 ? 0 : ret->length == 126 ? 2 : 8;
    need += n_length;
    if (n < need)
        return 0;
    for (size_t i = 0; i < n_length; i++)
        ret->length = (i ? ret->length << 8 : 0) | data[2 + i];
    if (n_length && (ret->length < (n_length == 2 ? 126 : 65536) || ret->length >> 63))
        return -1;
    ret->mask = data + need;
    need += ret->masked ? 4 : 0;
    ret->payload = data + need;
    return n >= need;
}

static inline int judge_header(struct ws_reader *reader, const struct reference_header *header)
{
    bool is_control = header->opcode & 8;
    uint64_t cost = header->length ? header->length : header->fin ? 0 : 16;

    if (header->rsv || !header->masked || (is_control && header->opcode > 10))
        return refuse_with(reader, 1002);
    if (is_control)
        return 0;
    if (header->opcode > 2 || (header->opcode == 0) != (reader->type != 0))
        return refuse_with(reader, 1002);
    if (header->opcode) {
        reader->type = header->opcode;
        reader->counted = 0;
    }
    reader->counted += cost;
    if (cost > reader->max || reader->counted > reader->max)
        return refuse_with(reader, 1009);
    return 0;
}

static inline int read_payload_of(struct ws_reader *reader, const struct reference_header *header,
                                  const uint8_t *data, size_t n)
{
    if (!(header->opcode & 8))
        return add_data(reader, data, n) < 0            ? -1
               : n < header->length                     ? end_of_stream(reader, true)
               : header->fin && end_message(reader) < 0 ? -1
                                                        : 0;
    if (n < header->length)
        return end_of_stream(reader, true);
    if (header->opcode == 9)
        frame_add(&reader->outcome->answer, 0x8a, false, data, n);
    return header->opcode == 8 ? end_by_close(reader, data, n) : 0;
}

static inline int read_frame(struct ws_reader *reader, const uint8_t *data, size_t n, size_t *at)
{
    struct reference_header header;
    int r = read_header(data + *at, n - *at, &header);
    size_t left;
    uint8_t *plain;

    if (r < 0)
        return refuse_with(reader, 1002);
    if (r == 0)
        return end_of_stream(reader, n > *at);
    if (judge_header(reader, &header) < 0)
        return -1;
    left = (size_t)(data + n - header.payload);
    left = left < header.length ? left : (size_t)header.length;
    plain = malloc(left + 1);
    for (size_t i = 0; i < left; i++)
        plain[i] = header.payload[i] ^ header.mask[i % 4];
    r = read_payload_of(reader, &header, plain, left);
    free(plain);
    *at = (size_t)(header.payload - data) + left;
    return r;
}

static inline void reference_read(const uint8_t *data, size_t n, uint64_t max,
                                  struct ws_outcome *outcome)
{
    struct ws_reader reader = {.outcome = outcome, .max = max};

    for (size_t at = 0; read_frame(&reader, data, n, &at) == 0;)
        ;
    bytes_free(&reader.message);
}
