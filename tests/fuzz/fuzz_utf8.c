// SPDX-License-Identifier: MIT
// utf8.c against a decoder by arithmetic, in any cut.

#include "transport/websocket/utf8.h"

#include "fuzz.h"
#include "utf8_reference.h"

static void check_cut(const uint8_t *text, size_t length)
{
    size_t n = utf8_whole_length(text, length);
    bool whole, is_whole;

    MUST(n <= length && length - n <= 3);
    if (reference_utf8(text, length, &whole) ==
        length) // what is cut off is the part of a character
        MUST(reference_utf8(text, n, &is_whole) == n && is_whole && (n == length) == whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cuts cuts = {size ? data[0] : 0};
    struct utf8 utf8 = {0};
    size_t good = 0, n, wanted;
    bool whole;

    if (size == 0)
        return 0;
    data++, size--;
    wanted = reference_utf8(data, size, &whole);
    while (good < size) {
        size_t piece = next_piece(&cuts, size - good);

        n = utf8_take(&utf8, data + good, piece);
        good += n;
        if (n < piece)
            break;
    }
    MUST(good == wanted);
    MUST(good < size || utf8_is_whole(&utf8) == whole);
    check_cut(data, size);
    return 0;
}
