// SPDX-License-Identifier: MIT
// Escaping for logs and terminals. Newlines, escape sequences and NUL in a peer's bytes have forged
// and cut log lines in other servers (B50); here they never arrive as themselves.

#include "base/escape.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/character.h"

// Line separators and direction overrides rewrite what a reader sees.
static bool rewrites(uint32_t code)
{
    return code == 0x2028 || code == 0x2029 || (code >= 0x202a && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069);
}

// The length of the character of more than one byte at data, 0 when it must be escaped.
static size_t utf8_length(const uint8_t *data, size_t length)
{
    struct character character = character_at(data, length);

    if (character.length < 2 || character.kind == CHARACTER_CONTROL || rewrites(character.code))
        return 0;
    return character.length;
}

bool escape_is_utf8(const void *data, size_t length)
{
    const uint8_t *bytes = data;

    for (size_t i = 0, n; i < length; i += n) {
        n = bytes[i] < 0x80 ? 1 : utf8_length(bytes + i, length - i);
        if (n == 0)
            return false;
    }
    return true;
}

// Whether a reader would take it for one that was made here.
static bool is_like_escape(const uint8_t *data, size_t length)
{
    return length >= 4 && data[1] == 'x' && isxdigit(data[2]) && isxdigit(data[3]);
}

// The length of the character at data that may stand as it is, 0 when it must be escaped.
static size_t plain_length(const uint8_t *data, size_t length, bool keeps_backslash)
{
    if (data[0] == '\\')
        return keeps_backslash && !is_like_escape(data, length) ? 1 : 0;
    if (data[0] < 0x80)
        return data[0] >= 0x20 && data[0] != 0x7f ? 1 : 0;
    return utf8_length(data, length);
}

static size_t escape(const void *data, size_t length, char *text, size_t size, bool keeps_backslash)
{
    const uint8_t *bytes = data;
    size_t used = 0, done = 0;

    while (done < length) {
        size_t n = plain_length(bytes + done, length - done, keeps_backslash);

        if (used + (n > 0 ? n : 4) >= size)
            break;
        if (n > 0) {
            memcpy(text + used, bytes + done, n);
            used += n;
            done += n;
        } else {
            used += (size_t)snprintf(text + used, size - used, "\\x%02x", bytes[done]);
            done++;
        }
    }
    if (size > 0)
        text[used] = '\0';
    return done;
}

size_t escape_bytes(const void *data, size_t length, char *text, size_t size)
{
    return escape(data, length, text, size, false);
}

size_t escape_line(const void *data, size_t length, char *text, size_t size)
{
    return escape(data, length, text, size, true);
}

size_t escape_cut(const char *text, size_t length)
{
    while (length > 0 && ((uint8_t)text[length] & 0xc0) == 0x80)
        length--;
    for (size_t n = 1; n < 4 && n <= length; n++) {
        const char *end = text + length - n;

        if (end[0] == '\\' && (n == 1 || end[1] == 'x'))
            return length - n;
    }
    return length;
}

void escape_copy(const char *text, char *ret, size_t size)
{
    size_t length = strlen(text);

    if (length >= size)
        length = escape_cut(text, size - 1);
    memcpy(ret, text, length);
    ret[length] = '\0';
}

// One character, in words where a reader would not see it. Returns how many bytes it has.
static size_t show(const char *at, size_t length, char *text, size_t size)
{
    struct character character = character_at(at, length);

    if (character.kind == CHARACTER_SPACE || character.kind == CHARACTER_INVISIBLE)
        (void)snprintf(text, size, "<U+%04X>", character.code);
    else if (character.code == '\\')
        (void)snprintf(text, size, "\\");
    else
        (void)escape_bytes(at, character.length, text, size);
    return character.length;
}

void escape_text(const char *words, char *text, size_t size)
{
    size_t length = strlen(words), used = 0;

    text[0] = '\0';
    for (size_t done = 0; done < length;) {
        char shown[24];

        done += show(words + done, length - done, shown, sizeof(shown));
        if (used + strlen(shown) >= size)
            break;
        used += (size_t)snprintf(text + used, size - used, "%s", shown);
    }
}
