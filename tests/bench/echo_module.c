// SPDX-License-Identifier: MIT
// echo as a module, to be held against the built-in one.

#include <tcpd/handler.h>

static void serve(struct tcpd_session *session)
{
    uint8_t *buffer = tcpd_buffer();
    ssize_t n;

    while ((n = tcpd_read(session, buffer, TCPD_BUFFER_SIZE)) > 0)
        if (tcpd_write(session, buffer, (size_t)n) < 0)
            return;
}

extern const struct tcpd_handler tcpd_handler;
const struct tcpd_handler tcpd_handler = {.abi = TCPD_HANDLER_ABI, .serve = serve};
