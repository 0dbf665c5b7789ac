// SPDX-License-Identifier: MIT
// escape.c: what a peer has sent becomes a text of printing ASCII and UTF-8, of which the bytes can
// be told again.

#include <ctype.h>

#include "base/escape.h"

#include "fuzz.h"
#include "utf8_reference.h"

#define MAX 4096

static bool is_utf8(const void *text, size_t length)
{
    bool is_whole;

    return reference_utf8(text, length, &is_whole) == length && is_whole;
}

// The bytes that a text shows.
static size_t unescape(const char *text, uint8_t *bytes)
{
    size_t n = 0;
    unsigned byte;

    while (*text) {
        if (text[0] == '\\' && text[1] == 'x' && isxdigit((unsigned char)text[2]) &&
            isxdigit((unsigned char)text[3]) && sscanf(text + 2, "%2x", &byte) == 1) {
            bytes[n++] = (uint8_t)byte;
            text += 4;
        } else {
            bytes[n++] = (uint8_t)*text++;
        }
    }
    return n;
}

static bool is_printing(const char *text)
{
    const uint8_t *at = (const uint8_t *)text;

    for (; *at; at++)
        if (*at < ' ' || *at == 0x7f || (at[0] == 0xc2 && at[1] < 0xa0)) // C1 controls
            return false;
    return is_utf8(text, strlen(text));
}

static void check(size_t (*escape)(const void *, size_t, char *, size_t), const uint8_t *data,
                  size_t size, size_t room)
{
    char text[4 * MAX + 1];
    uint8_t bytes[4 * MAX + 1];
    size_t shown;

    memset(text, 'x', sizeof(text));
    shown = escape(data, size, text, room);
    MUST(strnlen(text, sizeof(text)) < room && shown <= size);
    MUST(is_printing(text));
    MUST(unescape(text, bytes) == shown && memcmp(bytes, data, shown) == 0);
    MUST(shown == size || room - strlen(text) <= 16); // of 4 bytes at most, each of them escaped
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t room = size >= 2 ? 1 + (data[0] | (size_t)data[1] << 8) % (4 * MAX) : 0;
    char words[MAX + 1], text[4 * MAX];

    if (size < 2 || size - 2 > MAX)
        return 0;
    data += 2, size -= 2;
    check(escape_bytes, data, size, room);
    check(escape_line, data, size, room);
    MUST(!escape_is_utf8(data, size) || is_utf8(data, size));
    memcpy(words, data, size);
    words[size] = '\0';
    escape_text(words, text, room < sizeof(text) ? room : sizeof(text));
    MUST(strlen(text) < room && is_printing(text));
    return 0;
}
