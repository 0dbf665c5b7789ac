// SPDX-License-Identifier: MIT
// chargen, RFC 864: lines of 72 characters out of the ring of the 95 printing ones; line N begins
// at character N mod 95, so the pattern repeats every 95 lines. Sent in large blocks: a line per
// send() is 32 times slower. Input is dropped; the stream ends at the peer's end of input or a
// deadline. A datagram is answered by one of up to 512 characters, by chance.

#include <stdlib.h>

#include "handlers/handlers.h"

#define RING          95
#define LINE          72
#define LINE_SIZE     (LINE + 2)
#define PERIOD        ((size_t)RING * LINE_SIZE)
#define BLOCK         (TCPD_BUFFER_SIZE / PERIOD * PERIOD)
#define DATAGRAM_MOST 512
#define DATAGRAM_ROOM ((DATAGRAM_MOST / LINE_SIZE + 1) * LINE_SIZE)

static void fill(uint8_t *block, size_t size)
{
    for (size_t n = 0; n < size / LINE_SIZE; n++) {
        uint8_t *line = block + n * LINE_SIZE;

        for (size_t i = 0; i < LINE; i++)
            line[i] = (uint8_t)(' ' + (n + i) % RING);
        line[LINE] = '\r';
        line[LINE + 1] = '\n';
    }
}

static void serve(struct tcpd_session *session)
{
    uint8_t *block = tcpd_buffer();

    if (tcpd_kind(session) == TCPD_DATAGRAMS) {
        fill(block, DATAGRAM_ROOM);
        (void)tcpd_write(session, block, arc4random_uniform(DATAGRAM_MOST + 1));
        return;
    }
    fill(block, BLOCK);
    while (tcpd_write(session, block, BLOCK) == 0)
        if (tcpd_discard_pending(session))
            return;
}

const struct handler handler_chargen = {
    .name = "chargen",
    .face = {.abi = TCPD_HANDLER_ABI, .serve = serve, .kinds = HANDLER_ALL_KINDS}};
