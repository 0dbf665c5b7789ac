// SPDX-License-Identifier: MIT
// The built-in echo as a module, for the tests that every handler has to pass and for what a module
// costs.

#include <tcpd/handler.h>

static void serve(struct tcpd_session *session)
{
    uint8_t *buffer = tcpd_buffer();
    ssize_t n;

    while ((n = tcpd_read(session, buffer, TCPD_BUFFER_SIZE)) > 0)
        if (tcpd_write(session, buffer, (size_t)n) < 0)
            return;
}

const struct tcpd_handler tcpd_handler = {.abi = TCPD_HANDLER_ABI, .serve = serve};
