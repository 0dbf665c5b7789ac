// SPDX-License-Identifier: MIT
// Escaping for logs and terminals. Newlines, escape sequences and NUL in a peer's bytes have forged
// and cut log lines in other servers (B50); here they never arrive as themselves.

#include "base/escape.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

// The length of the UTF-8 character at data, 0 when it is not valid (RFC 3629) or is a C1 control.
static size_t utf8_length(const uint8_t *data, size_t length)
{
    uint32_t code;
    size_t n;

    if (data[0] >= 0xc2 && data[0] <= 0xdf)
        n = 2, code = data[0] & 0x1fU;
    else if (data[0] >= 0xe0 && data[0] <= 0xef)
        n = 3, code = data[0] & 0x0fU;
    else if (data[0] >= 0xf0 && data[0] <= 0xf4)
        n = 4, code = data[0] & 0x07U;
    else
        return 0;
    if (n > length)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((data[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (data[i] & 0x3fU);
    }
    if (code < 0xa0 || (n == 3 && code < 0x800) || (n == 4 && code < 0x10000))
        return 0;
    if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return 0;
    if (code == 0x2028 || code == 0x2029 || (code >= 0x202a && code <= 0x202e) ||
        (code >= 0x2066 && code <= 0x2069))
        return 0; // line separators and direction overrides rewrite what a reader sees
    return n;
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

// The length of the character at data that may stand as it is, 0 when it must be escaped.
static size_t plain_length(const uint8_t *data, size_t length)
{
    if (data[0] < 0x80)
        return data[0] >= 0x20 && data[0] != 0x7f && data[0] != '\\' ? 1 : 0;
    return utf8_length(data, length);
}

size_t escape_bytes(const void *data, size_t length, char *text, size_t size)
{
    const uint8_t *bytes = data;
    size_t used = 0, done = 0;

    while (done < length) {
        size_t n = plain_length(bytes + done, length - done);

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
