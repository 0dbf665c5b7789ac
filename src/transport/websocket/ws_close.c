// SPDX-License-Identifier: MIT
// Close frames, there and back.

#include "transport/websocket/ws_close.h"

#include <stdbool.h>
#include <string.h>

#include "base/base.h"
#include "transport/websocket/utf8.h"

// What may be sent: those of RFC 6455, 1012 to 1014 of IANA's registry, those of libraries and of
// applications.
static bool is_code(unsigned code)
{
    static const struct {
        unsigned first, last;
    } ranges[] = {{1000, 1003}, {1007, 1014}, {3000, 4999}};

    for (size_t i = 0; i < ELEMENTS(ranges); i++)
        if (code >= ranges[i].first && code <= ranges[i].last)
            return true;
    return false;
}

int ws_close_read(const uint8_t *payload, size_t length)
{
    struct utf8 utf8 = {0};
    unsigned code;

    if (length == 0)
        return WS_NO_CODE;
    if (length == 1)
        return -WS_PROTOCOL_ERROR;
    code = (unsigned)payload[0] << 8 | payload[1];
    if (!is_code(code))
        return -WS_PROTOCOL_ERROR;
    if (utf8_take(&utf8, payload + 2, length - 2) != length - 2 || !utf8_is_whole(&utf8))
        return -WS_BAD_TEXT;
    return (int)code;
}

size_t ws_close_write(enum ws_code code, const char *reason, uint8_t payload[WS_CONTROL_MAX])
{
    size_t n = strnlen(reason, WS_CONTROL_MAX - 2);

    payload[0] = (uint8_t)(code >> 8);
    payload[1] = (uint8_t)(code & 0xff);
    memcpy(payload + 2, reason, n);
    return 2 + utf8_whole_length(payload + 2, n);
}
