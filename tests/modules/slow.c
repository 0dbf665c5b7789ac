// SPDX-License-Identifier: MIT
// Sends each message back after 10 ms: a handler that waits for something else.

#include <unistd.h>

#include <tcpd/handler.h>

#define DELAY_USEC 10000

static void serve(struct tcpd_session *session)
{
    uint8_t *buffer = tcpd_buffer();
    ssize_t n;

    while ((n = tcpd_read(session, buffer, TCPD_BUFFER_SIZE)) > 0) {
        (void)usleep(DELAY_USEC);
        if (tcpd_write(session, buffer, (size_t)n) < 0)
            return;
    }
}

const struct tcpd_handler tcpd_handler = {.abi = TCPD_HANDLER_ABI,
                                          .serve = serve,
                                          .kinds = TCPD_STREAMS | TCPD_MESSAGES | TCPD_DATAGRAMS};
