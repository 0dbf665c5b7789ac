// SPDX-License-Identifier: MIT
// framing.c: a stream in any pieces holds the messages that a simple reading of all of it finds.

#include <errno.h>

#include "base/framing.h"

#include "fuzz.h"

#define MAX (80 * 1024)

// The message at the start of a stream that has ended: its size with its framing, or -errno; 0:
// none.
static int read_line_simply(const uint8_t *data, size_t size, struct message *ret)
{
    size_t n = 0;

    while (n < size && data[n] != '\n')
        n++;
    *ret = (struct message){data, n, n + (n < size)};
    if (n < size && n > 0 && data[n - 1] == '\r')
        ret->length--;
    return ret->length > FRAMING_MESSAGE_MAX ? -EMSGSIZE : size > 0;
}

static int read_length_simply(const uint8_t *data, size_t size, struct message *ret)
{
    uint32_t length = 0;

    if (size < 4)
        return size == 0 ? 0 : -EBADMSG;
    for (int i = 0; i < 4; i++)
        length = length << 8 | data[i];
    *ret = (struct message){data + 4, length, 4 + (size_t)length};
    return length > FRAMING_MESSAGE_MAX ? -EMSGSIZE : size - 4 < length ? -EBADMSG : 1;
}

// The same, as pieces of it come in.
static int read_pieces(enum framing framing, const uint8_t *data, size_t size, struct cuts *cuts,
                       struct message *ret)
{
    int r = 0;

    for (size_t n = 0; n < size && r == 0;) {
        n += next_piece(cuts, size - n);
        r = framing_next(framing, data, n, false, ret);
        MUST(r != 1 || ret->consumed <= n);
    }
    return r == 0 ? framing_next(framing, data, size, true, ret) : r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cuts cuts = {size ? data[0] : 0};
    enum framing framing = size && data[0] & 1 ? FRAMING_LINE : FRAMING_LENGTH;
    struct message want = {0}, got = {0};
    int wanted, r;

    if (size == 0 || size > MAX)
        return 0;
    for (data++, size--;; data += got.consumed, size -= got.consumed) {
        wanted = framing == FRAMING_LINE ? read_line_simply(data, size, &want)
                                         : read_length_simply(data, size, &want);
        r = read_pieces(framing, data, size, &cuts, &got);
        MUST(r == wanted);
        if (r != 1)
            return 0;
        MUST(got.data == want.data && got.length == want.length && got.consumed == want.consumed);
    }
}
