// SPDX-License-Identifier: MIT
// What tcpc makes of a server that sends anything in any pieces: the messages that there are in all
// of it, and its end.

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/framing.h"
#include "client/inbox.h"

#include "fuzz.h"

#define MAX (32 * 1024) // less than a socket pair takes

static int next_in(enum framing framing, const uint8_t *data, size_t size, struct message *ret)
{
    int r = size > 0 ? framing_next(framing, data, size, true, ret) : 0;

    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cuts cuts = {size ? data[0] : 0};
    enum framing framing = size && data[0] & 1 ? FRAMING_LINE : FRAMING_LENGTH;
    struct peer peer = {.fd = -1, .timeout_usec = 1000000};
    struct inbox inbox;
    struct message want, got;
    int ends[2], wanted, r;

    if (size == 0 || size > MAX)
        return 0;
    data++, size--;
    MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
    peer.fd = ends[0];
    MUST(inbox_init(&inbox, &peer) == 0);
    for (size_t n = 0, piece; n < size; n += piece) {
        piece = next_piece(&cuts, size - n);
        MUST(write(ends[1], data + n, piece) == (ssize_t)piece);
        inbox_fill(&inbox);
    }
    MUST(close(ends[1]) == 0);
    do {
        wanted = next_in(framing, data, size, &want);
        r = inbox_next(&inbox, framing, &got);
        MUST(r == wanted);
        if (r != 1)
            break;
        MUST(got.length == want.length && memcmp(got.data, want.data, got.length) == 0);
        data += want.consumed, size -= want.consumed;
    } while (true);
    inbox_done(&inbox);
    (void)close(ends[0]);
    return 0;
}
