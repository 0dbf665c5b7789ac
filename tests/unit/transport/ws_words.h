// SPDX-License-Identifier: MIT
// Frames as words, so that tables can be read: t'Hello' a text, b#00ff a binary message, c a
// continuation, p ping, q pong, x1000'bye' a Close, o3 another opcode; then "-" no FIN, "r4"
// reserved bits, "u" no mask; the payload in quotes, in hex, or *N for N times 'a'. What comes from
// the server is written in the same way, its fragments put together.
#pragma once

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ws_bytes {
    uint8_t *data;
    size_t length, size;
};

static inline void bytes_add(struct ws_bytes *bytes, const void *data, size_t length)
{
    if (bytes->length + length > bytes->size) {
        bytes->size = 2 * (bytes->length + length);
        bytes->data = realloc(bytes->data, bytes->size);
        if (!bytes->data)
            abort();
    }
    if (length > 0)
        memcpy(bytes->data + bytes->length, data, length);
    bytes->length += length;
}

static inline void bytes_free(struct ws_bytes *bytes)
{
    free(bytes->data);
    *bytes = (struct ws_bytes){0};
}

// A frame with the shortest length that is right.
static inline void frame_add(struct ws_bytes *to, uint8_t first, bool masked, const uint8_t *data,
                             size_t length)
{
    static const uint8_t mask[] = {0x37, 0xfa, 0x21, 0x3d};
    uint8_t head[10] = {first, masked ? 0x80 : 0};
    size_t n_length = length < 126 ? 0 : length < 65536 ? 2 : 8;

    head[1] |= (uint8_t)(n_length == 0 ? length : n_length == 2 ? 126 : 127);
    for (size_t i = 0; i < n_length; i++)
        head[2 + i] = (uint8_t)(length >> 8 * (n_length - 1 - i));
    bytes_add(to, head, 2 + n_length);
    if (masked)
        bytes_add(to, mask, sizeof(mask));
    for (size_t i = 0; i < length; i++)
        bytes_add(to, &(uint8_t){masked ? data[i] ^ mask[i % 4] : data[i]}, 1);
}

static const char word_letters[] = "ctb.....xpq";

static inline const char *read_payload(const char *word, struct ws_bytes *payload)
{
    char *end;
    unsigned long number;

    if (isdigit((unsigned char)*word)) { // a code
        number = strtoul(word, &end, 10);
        bytes_add(payload, &(uint8_t[]){(uint8_t)(number >> 8), (uint8_t)number}, 2);
        word = end;
    }
    if (*word == '\'') {
        size_t n = strcspn(word + 1, "'");

        bytes_add(payload, word + 1, n);
        return word + n + 2;
    }
    if (*word == '*') {
        number = strtoul(word + 1, &end, 10);
        while (number-- > 0)
            bytes_add(payload, "a", 1);
        return end;
    }
    if (*word == '#')
        for (word++; isxdigit((unsigned char)word[0]); word += 2)
            bytes_add(payload,
                      &(uint8_t){(uint8_t)strtoul((char[]){word[0], word[1], 0}, NULL, 16)}, 1);
    return word;
}

// Adds the frames of the words; at most n ends of frames are written to `ends`.
static inline size_t words_to_frames(const char *words, struct ws_bytes *to, size_t *ends, size_t n)
{
    size_t n_frames = 0;

    for (; *words; words += *words == ' ') {
        struct ws_bytes payload = {0};
        uint8_t first = 0x80;
        bool masked = true;

        if (*words == 'o') {
            first |= (uint8_t)strtoul((char[]){*++words, 0}, NULL, 16);
            words++;
        } else {
            first |= (uint8_t)(strchr(word_letters, *words++) - word_letters);
        }
        for (; *words && strchr("-ru", *words); words++) {
            first &= (uint8_t) ~(*words == '-' ? 0x80 : 0);
            first |= (uint8_t)(*words == 'r' ? (*++words - '0') << 4 : 0);
            masked &= *words != 'u';
        }
        words = read_payload(words, &payload);
        frame_add(to, first, masked, payload.data, payload.length);
        bytes_free(&payload);
        if (n_frames < n)
            ends[n_frames++] = to->length;
    }
    return n_frames;
}

// Writes a word to text, of which `size` bytes are left; returns its length.
static inline size_t word_write(char *text, size_t size, uint8_t opcode, const uint8_t *data,
                                size_t length)
{
    bool is_plain = length > 0, is_fill = length > WS_CONTROL_MAX;
    size_t used = (size_t)snprintf(text, size, "%c", word_letters[opcode]);

    if (opcode == 8 && length >= 2) {
        used += (size_t)snprintf(text + used, size - used, "%u", data[0] << 8 | data[1]);
        data += 2;
        length -= 2;
    }
    for (size_t i = 0; i < length; i++) {
        is_plain &= data[i] >= ' ' && data[i] < 0x7f;
        is_fill &= data[i] == 'a';
    }
    if (is_fill)
        return used + (size_t)snprintf(text + used, size - used, "*%zu", length);
    if (length > 0 && is_plain)
        return used + (size_t)snprintf(text + used, size - used, "'%.*s'", (int)length,
                                       (const char *)data);
    for (size_t i = 0; i < length && used + 8 < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%02x", i ? "" : "#", data[i]);
    return used;
}

// One frame of the server, which has no mask and no reserved bits; returns its length, 0: it is
// not there as a whole, or wrong.
static inline size_t frame_read(const uint8_t *data, size_t n, uint8_t *ret_first,
                                const uint8_t **ret_payload, size_t *ret_length)
{
    size_t n_length = n < 2 || data[1] < 126 ? 0 : data[1] == 126 ? 2 : 8;
    size_t length = n_length ? 0 : n < 2 ? 0 : data[1];

    if (n < 2 + n_length || data[0] & 0x70 || data[1] & 0x80)
        return 0;
    for (size_t i = 0; i < n_length; i++)
        length = length << 8 | data[2 + i];
    if (n - 2 - n_length < length)
        return 0;
    *ret_first = data[0];
    *ret_payload = data + 2 + n_length;
    *ret_length = length;
    return 2 + n_length + length;
}

// Writes what came from the server as words, of which "?" is what is no frame.
static inline void frames_to_words(const struct ws_bytes *from, char *text, size_t size)
{
    struct ws_bytes message = {0};
    uint8_t type = 0;
    size_t used = 0;

    text[0] = '\0';
    for (size_t at = 0; at < from->length;) {
        const uint8_t *payload;
        uint8_t first;
        size_t length,
            n = frame_read(from->data + at, from->length - at, &first, &payload, &length);
        bool is_control = n > 0 && (first & 8);

        if (n == 0 || (!is_control && (type == 0) != ((first & 15) != 0))) {
            snprintf(text + used, size - used, "%s?", used ? " " : "");
            break;
        }
        at += n;
        if (!is_control) {
            type = first & 15 ? first & 15 : type;
            bytes_add(&message, payload, length);
        }
        if (!(first & 0x80))
            continue;
        used += (size_t)snprintf(text + used, size - used, "%s", used ? " " : "");
        used += is_control
                    ? word_write(text + used, size - used, first & 15, payload, length)
                    : word_write(text + used, size - used, type, message.data, message.length);
        message.length = is_control ? message.length : 0;
        type = is_control ? type : 0;
    }
    bytes_free(&message);
}
